using CsCheck;
using FilterPruning.Detection.Data;

namespace FilterPruning.Detection.Tests.Data;

public class RleMaskTests
{
    // Mostly runs, as masks are, and sometimes noise; both colours may come first.
    private static readonly Gen<(int Height, int Width, byte[] Pixels)> Masks =
        from height in Gen.Int[1, 12]
        from width in Gen.Int[1, 12]
        from density in Gen.Int[0, 4]
        from noise in Gen.Int[0, 3].Array[height * width]
        select (height, width, noise.Select(n => (byte)(n < density ? 1 : 0)).ToArray());

    private static readonly Gen<(int Height, int Width, byte[] A, byte[] B)> Pairs =
        from a in Masks
        from b in Gen.Int[0, 1].Array[a.Pixels.Length]
        select (a.Height, a.Width, a.Pixels, b.Select(n => (byte)n).ToArray());

    [Fact]
    public void Decoding_gives_back_what_was_encoded() => Masks.Sample(mask =>
    {
        var decoded = new byte[mask.Pixels.Length];
        Encode(mask).Decode(decoded);
        return decoded.SequenceEqual(mask.Pixels);
    });

    [Fact]
    public void Runs_are_never_empty_but_for_the_first() => Masks.Sample(mask => Encode(mask).Counts.Skip(1).All(count => count > 0));

    [Fact]
    public void Text_gives_back_the_same_runs() => Masks.Sample(mask =>
    {
        var rle = Encode(mask);
        return RleMask.FromCocoString(rle.ToCocoString(), mask.Height, mask.Width).Equals(rle);
    });

    [Fact]
    public void Text_holds_long_runs() => Gen.Int[0, RleMask.MaximumPixels].Array[0, 12].Sample(cuts =>
    {
        var counts = new List<uint>();
        var end = 0;
        foreach (var cut in cuts.Order())
        {
            counts.Add((uint)(cut - end));
            end = cut;
        }

        counts.Add((uint)(RleMask.MaximumPixels - end));
        var rle = new RleMask(1 << 15, 1 << 15, counts);
        return RleMask.FromCocoString(rle.ToCocoString(), 1 << 15, 1 << 15).Equals(rle);
    });

    [Fact]
    public void Area_and_box_are_those_of_the_pixels() => Masks.Sample(mask =>
    {
        var inside = Inside(mask.Pixels, mask.Width);
        var rle = Encode(mask);
        Assert.Equal(inside.Count, rle.Area);
        if (inside.Count == 0)
        {
            Assert.Equal((0, 0, 0, 0), rle.BoundingBox());
            return;
        }

        var (left, top) = (inside.Min(p => p.X), inside.Min(p => p.Y));
        Assert.Equal((left, top, inside.Max(p => p.X) - left + 1, inside.Max(p => p.Y) - top + 1), rle.BoundingBox());
    });

    [Fact]
    public void Overlaps_are_those_of_the_pixels() => Pairs.Sample(pair =>
    {
        var (a, b) = (RleMask.FromMask(pair.A, pair.Height, pair.Width), RleMask.FromMask(pair.B, pair.Height, pair.Width));
        var both = pair.A.Zip(pair.B, (x, y) => x & y).Count(v => v != 0);
        var either = pair.A.Zip(pair.B, (x, y) => x | y).Count(v => v != 0);
        Assert.Equal(both, a.Intersection(b));
        Assert.Equal(both == 0 ? 0 : (double)both / either, a.IoU(b));
        Assert.Equal(both == 0 ? 0 : (double)both / a.Area, a.IoU(b, crowd: true));
        Assert.Equal(RleMask.FromMask([.. pair.A.Zip(pair.B, (x, y) => (byte)(x | y))], pair.Height, pair.Width), a.Union(b));
        Assert.Equal(RleMask.FromMask([.. pair.A.Zip(pair.B, (x, y) => (byte)(x & y))], pair.Height, pair.Width), RleMask.Merge([a, b], intersect: true));
    });

    [Fact]
    public void Empty_runs_change_no_answer() => Pairs.Sample(pair =>
    {
        var (a, b) = (RleMask.FromMask(pair.A, pair.Height, pair.Width), RleMask.FromMask(pair.B, pair.Height, pair.Width));
        // 0 ones and 0 zeros after the first run and at both ends
        var padded = new RleMask(a.Height, a.Width, [0, 0, a.Counts[0], 0, 0, .. a.Counts.Skip(1), 0, 0]);
        Assert.Equal(a.Area, padded.Area);
        Assert.Equal(a.BoundingBox(), padded.BoundingBox());
        Assert.Equal(a.Intersection(b), padded.Intersection(b));
        Assert.Equal(a.IoU(b), b.IoU(padded));
        Assert.Equal(a.Union(b), padded.Union(b));
        using var expected = a.ToMask();
        using var actual = padded.ToMask();
        Assert.True(expected.Equals(actual));
    });

    [Theory]
    [InlineData(ScalarType.Bool)]
    [InlineData(ScalarType.Byte)]
    [InlineData(ScalarType.Int64)]
    [InlineData(ScalarType.Float32)]
    public void Tensors_of_any_type_are_encoded(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var mask = tensor(new long[] { 0, 1, 1, 0, 0, 7 }, 2, 3).to(type);
        Assert.Equal([2u, 1u, 1u, 2u], RleMask.FromMask(mask).Counts);
        Assert.Equal([1u, 2u, 2u, 1u], RleMask.FromMask(mask.t()).Counts); // a view that is not contiguous
    }

    [Fact]
    public void Decoded_tensor_is_rows_of_bytes_and_nothing_leaks()
    {
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        using (var mask = new RleMask(2, 3, [2, 2, 1, 1]).ToMask())
        {
            Assert.Equal(ScalarType.Byte, mask.dtype);
            Assert.Equal([2L, 3L], mask.shape);
            Assert.Equal([0, 1, 0, 0, 1, 1], mask.data<byte>().ToArray());
            Assert.Equal([2u, 2u, 1u, 1u], RleMask.FromMask(mask).Counts);
        }

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Nothing_shared_is_an_overlap_of_zero()
    {
        var empty = RleMask.Empty(4, 5);
        Assert.True(empty.IsEmpty);
        Assert.Equal(0, empty.IoU(empty));
        Assert.Equal(0, empty.IoU(empty, crowd: true));
    }

    [Theory]
    [InlineData(0, 3, new uint[] { 0 }, "1 … 65536")]
    [InlineData(3, -1, new uint[] { 0 }, "1 … 65536")]
    [InlineData(65_537, 1, new uint[] { 65_537 }, "1 … 65536")]
    [InlineData(65_536, 65_536, new uint[] { 0 }, "at most 1073741824")]
    [InlineData(2, 3, new uint[] { }, "sum to 6")]
    [InlineData(2, 3, new uint[] { 5 }, "sum to 5")]
    [InlineData(2, 3, new uint[] { 2, 5 }, "sum to 7")]
    [InlineData(1, 1, new uint[] { uint.MaxValue, 2 }, "sum to 4294967297")]
    public void Bad_runs_are_refused(int height, int width, uint[] counts, string message) =>
        Assert.Contains(message, Assert.ThrowsAny<ArgumentException>(() => new RleMask(height, width, counts)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("", "sum to 0")]
    [InlineData("6 ", "U+0020")]
    [InlineData("p", "U+0070")]
    [InlineData("V", "cut off")] // says that another group follows
    [InlineData("oooooooo0", "more than 7 groups")]
    [InlineData("4", "sum to 4")]
    [InlineData("O", "is -1")]
    [InlineData("7", "is 7")]
    [InlineData("111M", "is -2")]
    public void Bad_text_is_refused(string text, string message) =>
        Assert.Contains(message, Assert.Throws<ArgumentException>(() => RleMask.FromCocoString(text, 2, 3)).Message, StringComparison.Ordinal);

    [Fact]
    public void Any_text_is_read_or_refused() => Gen.Char['-', 'r'].Array[0, 8].Sample(characters =>
    {
        try
        {
            return RleMask.FromCocoString(new string(characters), 2, 3).Counts.Sum(count => count) == 6;
        }
        catch (ArgumentException)
        {
            return true;
        }
    });

    [Fact]
    public void Masks_of_other_sizes_are_refused()
    {
        var error = Assert.Throws<ArgumentException>(() => RleMask.Empty(2, 3).IoU(RleMask.Empty(3, 2)));
        Assert.Contains("2 × 3", error.Message, StringComparison.Ordinal);
        Assert.Contains("3 × 2", error.Message, StringComparison.Ordinal);
    }

    private static RleMask Encode((int Height, int Width, byte[] Pixels) mask) => RleMask.FromMask(mask.Pixels, mask.Height, mask.Width);

    private static List<(int X, int Y)> Inside(byte[] pixels, int width) =>
        [.. Enumerable.Range(0, pixels.Length).Where(i => pixels[i] != 0).Select(i => (i % width, i / width))];
}
