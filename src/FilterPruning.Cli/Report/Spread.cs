namespace FilterPruning.Cli.Report;

/// <summary>A figure over several seeds.</summary>
/// <param name="Count">How many were measured.</param>
/// <param name="Mean">The arithmetic mean.</param>
/// <param name="Deviation">Standard deviation of the sample (divided by count − 1); 0 for one value.</param>
/// <param name="Low">The smallest.</param>
/// <param name="High">The largest.</param>
internal readonly record struct Spread(int Count, double Mean, double Deviation, double Low, double High)
{
    /// <summary>The spread of the values that are there; null when there are none.</summary>
    public static Spread? Of(IEnumerable<double?> values)
    {
        double[] there = [.. values.OfType<double>()];
        if (there.Length == 0)
            return null;
        var mean = there.Average();
        var deviation = there.Length == 1 ? 0 : Math.Sqrt(there.Sum(value => (value - mean) * (value - mean)) / (there.Length - 1));
        return new Spread(there.Length, mean, deviation, there.Min(), there.Max());
    }
}
