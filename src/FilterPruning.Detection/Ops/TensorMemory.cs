using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FilterPruning.Detection.Ops;

/// <summary>How the managed kernels reach a tensor's memory and share their work between threads.</summary>
internal static unsafe class TensorMemory
{
    /// <summary>
    /// The address of the first element of a contiguous CPU tensor, or null when it has none. Valid while the tensor lives:
    /// callers keep it alive with <see cref="GC.KeepAlive"/> or a dispose scope.
    /// </summary>
    public static nint Address(Tensor tensor)
    {
        var elements = tensor.NumberOfElements;
        if (elements == 0)
            return 0;
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        // A span can name at most 2 GiB, so of larger tensors it is taken of one element; it points into native memory, which does not move.
        var named = elements * tensor.ElementSize <= int.MaxValue ? tensor : tensor.view(-1).narrow(0, 0, 1);
        return (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(named.bytes));
    }

    /// <summary>A copy of the tensor's values in row-major order, converted to <typeparamref name="T"/>'s dtype and brought to the CPU.</summary>
    public static T[] ToArray<T>(Tensor tensor, ScalarType dtype)
        where T : unmanaged
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var plain = tensor.detach().to(dtype).cpu().contiguous();
        var values = new T[plain.NumberOfElements];
        MemoryMarshal.Cast<byte, T>(plain.bytes).CopyTo(values);
        return values;
    }

    /// <summary>Whether the managed float32 kernels may work on the tensor's memory.</summary>
    public static bool IsManaged(Tensor tensor) => tensor.dtype == ScalarType.Float32 && tensor.device_type == DeviceType.CPU && !tensor.is_sparse;

    /// <summary>Whether the managed float32 kernels may work on the tensors' memory and nobody records gradients through them: kernels that have none take nothing else.</summary>
    public static bool IsManagedWithoutGradient(params ReadOnlySpan<Tensor> tensors)
    {
        var recording = is_grad_enabled();
        foreach (var tensor in tensors)
        {
            if (!IsManaged(tensor) || (recording && tensor.requires_grad))
                return false;
        }

        return true;
    }

    /// <summary>
    /// Runs <paramref name="body"/> for 0 … <paramref name="count"/> − 1 on at most <see cref="get_num_threads"/> threads. The items must not
    /// write to the same memory, so that the result does not depend on the number of threads.
    /// </summary>
    public static void For(int count, Action<int> body)
    {
        var threads = count <= 1 ? 1 : Math.Min(get_num_threads(), count);
        if (threads <= 1)
        {
            for (var i = 0; i < count; i++)
                body(i);
            return;
        }

        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = threads }, body);
    }
}
