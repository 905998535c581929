using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FilterPruning.Benchmarks.Scoring;

/// <summary>Where a tensor's numbers are, for the loops that only read.</summary>
internal static class TensorBytes
{
    /// <summary>The first number of a contiguous tensor on the CPU; valid while it lives.</summary>
    public static unsafe nint Of(Tensor tensor) => (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.bytes));
}
