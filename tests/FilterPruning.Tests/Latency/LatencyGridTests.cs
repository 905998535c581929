using FilterPruning.Latency;

namespace FilterPruning.Tests.Latency;

public sealed class LatencyGridTests
{
    private static readonly int[] _inputs = [2, 16, 64];
    private static readonly int[] _outputs = [1, 8, 32, 128];

    /// <summary>A product of widths with overheads has no error between the knots.</summary>
    [Fact]
    public void A_bilinear_cost_is_interpolated_exactly()
    {
        var grid = new LatencyGrid(_inputs, _outputs, [.. _inputs.SelectMany(input => _outputs.Select(output => Cost(input, output)))]);
        for (var input = 2; input <= 64; input++)
        {
            for (var output = 1; output <= 128; output++)
                Assert.Equal(Cost(input, output), grid.Of(input, output), 1e-9);
        }

        Assert.Equal(Cost(64, 128), grid.Whole);
        Assert.Equal(grid.Of(2, 8), grid.Of(1, 8));

        static double Cost(int input, int output) => 0.3 + (0.01 * input) + (0.02 * output) + (0.004 * input * output);
    }

    [Fact]
    public void Where_channels_pass_through_there_is_one_width()
    {
        var grid = new LatencyGrid([4, 8], [], [1, 3]);
        Assert.Equal([1, 1, 2, 3], new[] { 1, 4, 6, 8 }.Select(width => grid.Of(width, width)));
    }

    /// <summary>Noise must not make a narrower layer dearer.</summary>
    [Fact]
    public void Times_never_rise_as_channels_go()
    {
        var generator = new Random(1);
        var grid = new LatencyGrid(_inputs, _outputs, [.. Enumerable.Range(0, 12).Select(_ => generator.NextDouble())]);
        for (var input = 2; input <= 64; input++)
        {
            for (var output = 1; output <= 128; output++)
            {
                Assert.True(grid.Of(input, output) >= grid.Of(input - 1, output) - 1e-12);
                Assert.True(grid.Of(input, output) >= grid.Of(input, Math.Max(1, output - 1)) - 1e-12);
            }
        }
    }
}
