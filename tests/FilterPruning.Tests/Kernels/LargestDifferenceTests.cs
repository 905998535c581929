using FilterPruning.Kernels;

namespace FilterPruning.Tests.Kernels;

public class LargestDifferenceTests
{
    [Fact]
    public unsafe void Any_length_gives_what_a_plain_loop_gives()
    {
        var random = new Random(4);
        for (var length = 0; length < 70; length++)
        {
            var (actual, expected) = (new float[length], new float[length]);
            for (var i = 0; i < length; i++) (actual[i], expected[i]) = (random.NextSingle() - 0.5f, random.NextSingle() - 0.5f);
            var difference = actual.Zip(expected).Select(pair => Math.Abs(pair.First - pair.Second)).DefaultIfEmpty().Max();
            var scale = expected.Select(Math.Abs).DefaultIfEmpty().Max();
            fixed (float* a = actual, e = expected) Assert.Equal((difference, scale), LargestDifference.Of(a, e, length));
        }
    }

    [Theory]
    [InlineData(0)] // in the vectors
    [InlineData(32)] // in the rest
    public unsafe void What_is_not_finite_counts_where_the_sides_differ(int at)
    {
        float[] actual = [.. Enumerable.Repeat(1f, 33)], expected = [.. actual];
        (actual[at], expected[at]) = (float.NaN, float.NaN);
        Assert.Equal((0f, 1f), Of());
        (actual[at], expected[at]) = (float.NegativeInfinity, float.NegativeInfinity);
        Assert.Equal((0f, 1f), Of());
        (actual[at], expected[at]) = (2, float.PositiveInfinity);
        Assert.Equal((float.PositiveInfinity, 1f), Of());
        (actual[at], expected[at]) = (float.NaN, 2);
        Assert.True(float.IsNaN(Of().Difference));

        (float Difference, float Scale) Of()
        {
            fixed (float* a = actual, e = expected) return LargestDifference.Of(a, e, actual.Length);
        }
    }
}
