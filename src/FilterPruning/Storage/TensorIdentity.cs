using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FilterPruning.Storage;

/// <summary>Tells whether two tensor objects stand for the same numbers: a weight that two layers share may be reached through several objects with handles of their own.</summary>
internal static class TensorIdentity
{
    /// <summary>The address of the first element of a contiguous CPU tensor, otherwise the native handle. Comparable as long as no tensor is given another storage.</summary>
    public static unsafe nint Identity(this Tensor tensor) =>
        tensor.device_type == DeviceType.CPU && tensor.is_contiguous() && tensor.numel() > 0 && tensor.numel() * tensor.ElementSize <= int.MaxValue
            ? (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.bytes)) : tensor.Handle;
}
