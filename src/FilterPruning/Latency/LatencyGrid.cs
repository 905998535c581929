namespace FilterPruning.Latency;

/// <summary>Times of one kind of layer call at some widths, and at all others in between.</summary>
/// <remarks>
/// A product of two widths with its overheads, a + b·inputs + c·outputs + d·inputs·outputs, is interpolated without error. Below the narrowest width measured the time is that width's: the overhead of a call
/// does not go away. Times are made to fall as channels go, so that a search that takes channels away never sees a cost rise by noise.
/// </remarks>
internal sealed class LatencyGrid
{
    private readonly int[] _inputs;
    private readonly int[] _outputs;
    private readonly double[] _times;

    /// <param name="inputs">Widths of the input that were measured, ascending.</param>
    /// <param name="outputs">Widths of the output that were measured, ascending; empty where a channel goes straight through, so that both are one.</param>
    /// <param name="times">Milliseconds, row by row: all outputs of the first input first.</param>
    public LatencyGrid(IReadOnlyList<int> inputs, IReadOnlyList<int> outputs, IReadOnlyList<double> times)
    {
        (_inputs, _outputs, _times) = ([.. inputs], [.. outputs], [.. times]);
        var row = Math.Max(1, _outputs.Length);
        if (_times.Length != _inputs.Length * row)
            throw new ArgumentException($"{_times.Length} times are given for {_inputs.Length} × {row} widths.", nameof(times));
        for (var at = 0; at < _times.Length; at++)
        {
            if (at % row > 0)
                _times[at] = Math.Max(_times[at], _times[at - 1]);
            if (at >= row)
                _times[at] = Math.Max(_times[at], _times[at - row]);
        }
    }

    /// <summary>Milliseconds with all channels.</summary>
    public double Whole => _times[^1];

    /// <summary>Milliseconds at these widths.</summary>
    public double Of(int inputs, int outputs)
    {
        var (row, down) = Place(_inputs, inputs);
        if (_outputs.Length == 0)
            return Between(_times[row], _times[Math.Min(row + 1, _times.Length - 1)], down);
        var (column, right) = Place(_outputs, outputs);
        var (below, beside) = (Math.Min(row + 1, _inputs.Length - 1), Math.Min(column + 1, _outputs.Length - 1));
        return Between(Between(At(row, column), At(row, beside), right), Between(At(below, column), At(below, beside), right), down);

        double At(int input, int output) => _times[(input * _outputs.Length) + output];
    }

    // The last knot that is no wider, and how far the width lies on the way to the next.
    private static (int Knot, double Way) Place(int[] knots, int width)
    {
        var knot = Array.FindLastIndex(knots, known => known <= width);
        return knot < 0 ? (0, 0) : knot == knots.Length - 1 ? (knot, 0) : (knot, (double)(width - knots[knot]) / (knots[knot + 1] - knots[knot]));
    }

    private static double Between(double low, double high, double way) => low + (way * (high - low));
}
