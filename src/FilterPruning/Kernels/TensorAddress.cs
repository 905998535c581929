using System.Runtime.CompilerServices;

namespace FilterPruning.Kernels;

/// <summary>
/// The address of a tensor's first number, whatever its strides are. TorchSharp hands it out for contiguous tensors only; making a contiguous view of a strided one would allocate.
/// Reaches into TorchSharp by name, as a few other files do; a test fails loudly when it renames the function.
/// </summary>
internal static class TensorAddress
{
    /// <summary>Valid while the tensor lives; the caller keeps it alive.</summary>
    public static unsafe byte* Of(Tensor tensor) => (byte*)Data(null, tensor.Handle);

    [UnsafeAccessor(UnsafeAccessorKind.StaticMethod, Name = "THSTensor_data")]
    private static extern nint Data([UnsafeAccessorType("TorchSharp.PInvoke.NativeMethods, TorchSharp")] object? nativeMethods, nint tensor);
}
