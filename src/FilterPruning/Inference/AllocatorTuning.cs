using System.Runtime.InteropServices;

namespace FilterPruning.Inference;

/// <summary>
/// Tells the C library to keep the memory of large tensors instead of handing it back to the system after each of them. A detector frees and takes hundreds of megabytes an image; memory fresh from the system
/// comes in pages that have to be cleared one by one.
/// </summary>
/// <remarks>A setting of the whole process, hence never made unasked. The process then keeps the most memory it ever needed at once.</remarks>
public static partial class AllocatorTuning
{
    // malloc.h of the GNU C library
    private const int TrimThreshold = -1;
    private const int TopPad = -2;
    private const int MmapMax = -4;

    /// <summary>Keeps freed memory from now on. Does nothing where the C library is not GNU's.</summary>
    /// <returns>Whether the setting was taken.</returns>
    public static bool KeepFreedMemory()
    {
        if (!OperatingSystem.IsLinux())
            return false;
        try
        {
            // Large blocks come from the heap too, the heap grows in steps of 64 MB, and is not trimmed below 2 GB of free memory at its end.
            return MallOpt(MmapMax, 0) == 1 & MallOpt(TopPad, 64 << 20) == 1 & MallOpt(TrimThreshold, int.MaxValue) == 1;
        }
        catch (EntryPointNotFoundException)
        {
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int MallOpt(int parameter, int value);
}
