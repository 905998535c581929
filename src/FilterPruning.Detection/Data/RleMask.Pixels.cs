using System.Buffers;

namespace FilterPruning.Detection.Data;

// Between runs and pixels. Runs go down the columns; tensors and images go along the rows.
public sealed partial class RleMask
{
    /// <summary>Encodes a mask from a tensor.</summary>
    /// <param name="mask"><c>[H, W]</c>, bool or any number type, on any device; what is not 0 (and not NaN) is inside. Left as it is; not disposed.</param>
    /// <exception cref="ArgumentException">The tensor has not two dimensions, or a size is out of range.</exception>
    public static RleMask FromMask(Tensor mask)
    {
        ArgumentNullException.ThrowIfNull(mask);
        if (mask.dim() != 2)
            throw new ArgumentException($"A mask must be a tensor [H, W], but this one is [{string.Join(", ", mask.shape)}]. Pass one mask at a time, for instance masks[i, 0].", nameof(mask));
        if (mask.shape[0] is < 1 or > MaximumSide || mask.shape[1] is < 1 or > MaximumSide)
            throw new ArgumentException($"A mask's sides must be 1 … {MaximumSide} pixels, but this one is [{string.Join(", ", mask.shape)}].", nameof(mask));
        var (height, width) = ((int)mask.shape[0], (int)mask.shape[1]);
        CheckSize(height, width);

        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        // abs() > 0 is false for NaN, where a cast to bool would be true
        var inside = mask.dtype is ScalarType.Bool or ScalarType.Byte ? mask : mask.is_floating_point() ? mask.abs().gt(0) : mask.ne(0);
        var columns = inside.t().contiguous().cpu(); // [W, H], one byte each: a column is now a row
        return new RleMask(height, width, Scan(columns.bytes), owned: true);
    }

    /// <summary>Encodes a mask from pixels in rows.</summary>
    /// <param name="pixels">height × width bytes, row after row; what is not 0 is inside.</param>
    /// <param name="height">Height in pixels.</param>
    /// <param name="width">Width in pixels.</param>
    /// <exception cref="ArgumentException">A size is out of range, or there are not height × width pixels.</exception>
    public static RleMask FromMask(ReadOnlySpan<byte> pixels, int height, int width)
    {
        CheckSize(height, width);
        CheckLength(pixels.Length, height, width, nameof(pixels));
        var rented = ArrayPool<byte>.Shared.Rent(pixels.Length);
        try
        {
            var columns = rented.AsSpan(0, pixels.Length);
            for (var y = 0; y < height; y++)
            {
                var row = pixels.Slice(y * width, width);
                for (var x = 0; x < row.Length; x++)
                    columns[x * height + y] = row[x];
            }

            return new RleMask(height, width, Scan(columns), owned: true);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>Encodes a mask from pixels in rows.</summary>
    /// <param name="pixels">height × width values, row after row.</param>
    /// <param name="height">Height in pixels.</param>
    /// <param name="width">Width in pixels.</param>
    /// <exception cref="ArgumentException">A size is out of range, or there are not height × width pixels.</exception>
    public static RleMask FromMask(ReadOnlySpan<bool> pixels, int height, int width) =>
        FromMask(System.Runtime.InteropServices.MemoryMarshal.AsBytes(pixels), height, width);

    /// <summary>Decodes the mask.</summary>
    /// <returns>uint8 <c>[H, W]</c> on the CPU, 1 inside; the caller's.</returns>
    public Tensor ToMask()
    {
        using var scope = NewDisposeScope();
        var result = empty(Height, Width, dtype: ScalarType.Byte);
        Decode(result.bytes);
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>Decodes the mask into memory the caller has.</summary>
    /// <param name="pixels">height × width bytes, row after row; all are written, 1 inside and 0 outside.</param>
    /// <exception cref="ArgumentException">There are not height × width pixels.</exception>
    public void Decode(Span<byte> pixels)
    {
        CheckLength(pixels.Length, Height, Width, nameof(pixels));
        pixels.Clear();
        long start = 0;
        for (var i = 0; i < _counts.Length; start += _counts[i++])
        {
            if ((i & 1) == 0 || _counts[i] == 0)
                continue;
            var (x, y) = Math.DivRem(start, Height);
            var at = (int)(y * Width + x);
            for (var left = _counts[i]; left > 0; left--)
            {
                pixels[at] = 1;
                if (++y == Height)
                {
                    y = 0;
                    at = (int)++x;
                }
                else
                {
                    at += Width;
                }
            }
        }
    }

    private static uint[] Scan(ReadOnlySpan<byte> columns)
    {
        var runs = new List<uint>();
        for (var inside = false; columns.Length > 0 || runs.Count == 0; inside = !inside)
        {
            var length = inside ? columns.IndexOf((byte)0) : columns.IndexOfAnyExcept((byte)0);
            if (length < 0)
                length = columns.Length;
            runs.Add((uint)length);
            columns = columns[length..];
        }

        return [.. runs];
    }

    private static void CheckLength(int length, int height, int width, string parameter)
    {
        if (length != height * width)
            throw new ArgumentException($"A {height} × {width} mask has {height * width} pixels, but there is room for {length}.", parameter);
    }
}
