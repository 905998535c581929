using System.Runtime.InteropServices;

namespace FilterPruning.Inference;

/// <summary>
/// oneDNN's fused operations in libtorch: a convolution or a linear layer with what follows it in one pass, on weights in the order that the processor's kernel wants. TorchSharp does not
/// name them; libtorch exports them as C functions (<c>torch/csrc/inductor/aoti_torch/c/shim_cpu.h</c>), which take the handles that TorchSharp's tensors hold. Where a build of libtorch lacks one of them, nothing
/// here is available and callers take the ordinary operations.
/// </summary>
internal static unsafe class OneDnn
{
    private static readonly Entries? _entries = Entries.Find();

    /// <summary>Whether this libtorch has the operations.</summary>
    public static bool IsAvailable => _entries is not null;

    /// <summary>Puts a convolution's weight into the order for an input shape.</summary>
    /// <param name="weight">float32 <c>[out, in / groups, kh, kw]</c> on the CPU.</param>
    /// <param name="shape">The convolution.</param>
    /// <param name="inputSizes">The input's <c>[N, C, H, W]</c>; another size may want another order.</param>
    /// <returns>An opaque tensor; the caller's.</returns>
    public static Tensor Pack(Tensor weight, ConvolutionShape shape, ReadOnlySpan<long> inputSizes)
    {
        var entries = Needed();
        var stack = stackalloc ulong[6];
        stack[0] = (ulong)entries.Share(weight);
        stack[1] = (ulong)entries.List(shape.Padding);
        stack[2] = (ulong)entries.List(shape.Stride);
        stack[3] = (ulong)entries.List(shape.Dilation);
        stack[4] = (ulong)shape.Groups;
        // An optional argument is a cell that the callee frees with the C++ operator delete, which is the C library's free.
        var sizes = (ulong*)NativeMemory.Alloc(sizeof(ulong));
        *sizes = (ulong)entries.List(inputSizes);
        stack[5] = (ulong)sizes;
        entries.Call("mkldnn::_reorder_convolution_weight\0"u8, stack);
        return Tensor.UnsafeCreateTensor((nint)stack[0]);
    }

    /// <summary>The order of a packed weight, as bytes to compare.</summary>
    public static byte[] OrderOf(Tensor packed)
    {
        var entries = Needed();
        var stack = stackalloc ulong[1];
        stack[0] = (ulong)entries.Share(packed);
        entries.Call("mkldnn::_get_mkldnn_serialized_md\0"u8, stack);
        using var order = Tensor.UnsafeCreateTensor((nint)stack[0]);
        return order.bytes.ToArray();
    }

    /// <summary>How often a tensor's values were changed in place.</summary>
    public static long VersionOf(Tensor tensor)
    {
        var entries = Needed();
        var stack = stackalloc ulong[1];
        stack[0] = (ulong)entries.Share(tensor);
        entries.Call("aten::_version\0"u8, stack);
        return (long)stack[0];
    }

    /// <summary>Where a tensor's values lie.</summary>
    public static nint AddressOf(Tensor tensor)
    {
        nint address;
        Check(Needed().GetDataPtr(tensor.Handle, &address), "aoti_torch_get_data_ptr");
        GC.KeepAlive(tensor);
        return address;
    }

    /// <summary>A convolution, then optionally a sum, then optionally a ReLU, in one pass.</summary>
    /// <param name="input">float32 <c>[N, C, H, W]</c>, channels innermost.</param>
    /// <param name="weight">What <see cref="Pack"/> gave.</param>
    /// <param name="bias">float32 <c>[out]</c>.</param>
    /// <param name="shape">The convolution.</param>
    /// <param name="added">Of the output's shape, channels innermost, or null.</param>
    /// <param name="relu">Whether a ReLU ends it.</param>
    public static Tensor Convolve(Tensor input, Tensor weight, Tensor bias, ConvolutionShape shape, Tensor? added, bool relu)
    {
        var entries = Needed();
        nint biasHandle = bias.Handle, result;
        int code;
        fixed (long* padding = shape.Padding, stride = shape.Stride, dilation = shape.Dilation)
        fixed (byte* reluName = "relu\0"u8, addName = "add\0"u8, none = "none\0"u8)
        {
            byte* unary = reluName;
            double one = 1;
            code = added is null
                ? entries.Convolution(input.Handle, weight.Handle, &biasHandle, padding, 2, stride, 2, dilation, 2, shape.Groups, relu ? reluName : none, null, 0, null, &result)
                : entries.ConvolutionBinary(
                    input.Handle, added.Handle, weight.Handle, &biasHandle, padding, 2, stride, 2, dilation, 2, shape.Groups, addName, &one, relu ? &unary : null, null, 0, null, &result);
        }

        GC.KeepAlive((input, weight, bias, added));
        Check(code, "mkldnn convolution");
        return Tensor.UnsafeCreateTensor(result);
    }

    private static Entries Needed() => _entries ?? throw new InvalidOperationException("This libtorch exports no fused operations.");

    private static void Check(int code, string name)
    {
        if (code != 0)
            throw new InvalidOperationException($"libtorch's {name} failed; standard error has its message.");
    }

    /// <summary>The exported functions.</summary>
    private sealed class Entries
    {
        private readonly delegate* unmanaged<byte*, byte*, ulong*, int> _call;
        private readonly delegate* unmanaged<nint, nint*, int> _share;
        private readonly delegate* unmanaged<nuint, nint*, int> _newList;
        private readonly delegate* unmanaged<nint, ulong, int> _push;

        private Entries(nint library)
        {
            _call = (delegate* unmanaged<byte*, byte*, ulong*, int>)NativeLibrary.GetExport(library, "aoti_torch_call_dispatcher");
            _share = (delegate* unmanaged<nint, nint*, int>)NativeLibrary.GetExport(library, "aoti_torch_new_tensor_handle");
            _newList = (delegate* unmanaged<nuint, nint*, int>)NativeLibrary.GetExport(library, "torch_new_list_reserve_size");
            _push = (delegate* unmanaged<nint, ulong, int>)NativeLibrary.GetExport(library, "torch_list_push_back");
            GetDataPtr = (delegate* unmanaged<nint, nint*, int>)NativeLibrary.GetExport(library, "aoti_torch_get_data_ptr");
            Convolution = (delegate* unmanaged<nint, nint, nint*, long*, long, long*, long, long*, long, long, byte*, double**, long, byte**, nint*, int>)
                NativeLibrary.GetExport(library, "aoti_torch_cpu_mkldnn__convolution_pointwise");
            ConvolutionBinary = (delegate* unmanaged<nint, nint, nint, nint*, long*, long, long*, long, long*, long, long, byte*, double*, byte**, double**, long, byte**, nint*, int>)
                NativeLibrary.GetExport(library, "aoti_torch_cpu_mkldnn__convolution_pointwise_binary");
        }

        public delegate* unmanaged<nint, nint*, int> GetDataPtr { get; }

        public delegate* unmanaged<nint, nint, nint*, long*, long, long*, long, long*, long, long, byte*, double**, long, byte**, nint*, int> Convolution { get; }

        public delegate* unmanaged<nint, nint, nint, nint*, long*, long, long*, long, long*, long, long, byte*, double*, byte**, double**, long, byte**, nint*, int> ConvolutionBinary { get; }

        public static Entries? Find()
        {
            try
            {
                // TorchSharp has it loaded once a tensor exists; then its name alone finds it.
                using var first = torch.zeros(1);
                return NativeLibrary.TryLoad("torch_cpu", typeof(OneDnn).Assembly, null, out var library) || NativeLibrary.TryLoad("torch_cpu", typeof(torch).Assembly, null, out library)
                    || NativeLibrary.TryLoad("libtorch_cpu.so", out library)
                    ? new Entries(library)
                    : null;
            }
            catch (EntryPointNotFoundException)
            {
                return null;
            }
        }

        /// <summary>A second handle of the same tensor, for a callee that frees what it is given.</summary>
        public nint Share(Tensor tensor)
        {
            nint copy;
            Check(_share(tensor.Handle, &copy), "aoti_torch_new_tensor_handle");
            GC.KeepAlive(tensor);
            return copy;
        }

        public nint List(ReadOnlySpan<long> values)
        {
            nint list;
            Check(_newList((nuint)values.Length, &list), "torch_new_list_reserve_size");
            foreach (var value in values)
                Check(_push(list, (ulong)value), "torch_list_push_back");
            return list;
        }

        /// <param name="name">The operation, ended by a zero.</param>
        /// <param name="stack">Its arguments; the first element becomes the result.</param>
        public void Call(ReadOnlySpan<byte> name, ulong* stack)
        {
            fixed (byte* operation = name, overload = "\0"u8)
                Check(_call(operation, overload, stack), System.Text.Encoding.ASCII.GetString(name[..^1]));
        }
    }
}
