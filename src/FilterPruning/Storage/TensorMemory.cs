using System.Runtime.InteropServices;

namespace FilterPruning.Storage;

/// <summary>Moves a tensor's bytes between its own memory and a file, without a buffer between them. All formats here are little-endian, as every platform of libtorch is.</summary>
internal static class TensorMemory
{
    private const int ChunkBytes = 1 << 26;

    /// <summary>The address of the first element of a contiguous CPU tensor; null when it has no elements. Valid while the tensor lives.</summary>
    public static unsafe byte* Pointer(Tensor tensor)
    {
        var count = tensor.numel();
        if (count == 0)
            return null;

        // A Span cannot hold 2 GB; the address of the first element can be had from a short view.
        if (count * tensor.ElementSize <= int.MaxValue)
            return (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.bytes));
        using var first = tensor.view(-1).narrow(0, 0, 1);
        return (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }

    /// <summary>Fills a contiguous CPU tensor from <paramref name="offset"/> of the source on.</summary>
    /// <exception cref="EndOfStreamException">The source ends before the tensor is full.</exception>
    public static unsafe void ReadFrom(ByteSource source, long offset, Tensor tensor)
    {
        var total = tensor.numel() * tensor.ElementSize;
        var target = Pointer(tensor);
        for (long done = 0; done < total;)
        {
            var span = new Span<byte>(target + done, (int)Math.Min(ChunkBytes, total - done));
            source.ReadExactly(span, offset + done);
            done += span.Length;
        }

        GC.KeepAlive(tensor);
    }

    /// <summary>Writes the elements of a contiguous CPU tensor to a stream.</summary>
    public static unsafe void WriteTo(Stream stream, Tensor tensor)
    {
        var total = tensor.numel() * tensor.ElementSize;
        var source = Pointer(tensor);
        for (long done = 0; done < total;)
        {
            var span = new ReadOnlySpan<byte>(source + done, (int)Math.Min(ChunkBytes, total - done));
            stream.Write(span);
            done += span.Length;
        }

        GC.KeepAlive(tensor);
    }

    /// <summary>Turns the bytes of every element of a contiguous CPU tensor round.</summary>
    public static unsafe void ReverseEndianness(Tensor tensor)
    {
        var size = (int)tensor.ElementSize;
        var elements = Pointer(tensor);
        var count = size == 1 ? 0 : tensor.numel();
        for (long i = 0; i < count; i++)
            new Span<byte>(elements + (i * size), size).Reverse();
        GC.KeepAlive(tensor);
    }
}
