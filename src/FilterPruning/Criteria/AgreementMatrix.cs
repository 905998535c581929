using System.Globalization;
using System.Text;

namespace FilterPruning.Criteria;

/// <summary>How alike several criteria rank the channel groups of a model, each with each. Immutable.</summary>
public sealed class AgreementMatrix
{
    private readonly double[][] _values;

    internal AgreementMatrix(RankCorrelation correlation, IReadOnlyList<string> names, double[][] values) => (Correlation, Names, _values) = (correlation, names, values);

    /// <summary>How agreement was measured.</summary>
    public RankCorrelation Correlation { get; }

    /// <summary>The criteria's names, in the order they were given.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The rank correlation of two criteria: −1 … 1, or NaN where all scores of one are alike. Symmetric.</summary>
    /// <param name="first">Index into <see cref="Names"/>.</param>
    /// <param name="second">Index into <see cref="Names"/>.</param>
    public double this[int first, int second] => _values[first][second];

    /// <summary>A table for people, two decimals, lines ended by line feeds.</summary>
    public string ToText()
    {
        var width = Math.Max(5, Names.Max(name => name.Length));
        var text = new StringBuilder(new string(' ', width));
        foreach (var name in Names)
            text.Append("  ").Append(name.PadLeft(width));
        text.Append('\n');
        for (var row = 0; row < Names.Count; row++)
        {
            text.Append(Names[row].PadRight(width));
            foreach (var value in _values[row])
                text.Append("  ").Append((double.IsNaN(value) ? "-" : value.ToString("0.00", CultureInfo.InvariantCulture)).PadLeft(width));
            text.Append('\n');
        }

        return text.ToString();
    }

    /// <inheritdoc cref="ToText"/>
    public override string ToString() => ToText();
}
