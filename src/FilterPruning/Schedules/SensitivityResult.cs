using System.Globalization;
using System.Text;

namespace FilterPruning.Schedules;

/// <summary>What the model is worth when one role alone loses a share of its channels.</summary>
/// <param name="Role">The role: the name of the first layer that makes its channels.</param>
/// <param name="Ratio">The share that was asked for.</param>
/// <param name="Removed">The channel groups that were masked; 0 where the role is too small for the ratio.</param>
/// <param name="Of">The channel groups of the role, pinned ones included.</param>
/// <param name="Metric">The metric then.</param>
public readonly record struct SensitivityPoint(string Role, double Ratio, int Removed, int Of, double Metric);

/// <summary>A finished scan: for each role, how the metric falls. Immutable; holds no tensor.</summary>
public sealed class SensitivityResult
{
    internal SensitivityResult(double baseline, IReadOnlyList<double> ratios, IReadOnlyList<SensitivityPoint> points) => (Baseline, Ratios, Points) = (baseline, ratios, points);

    /// <summary>The metric of the whole model.</summary>
    public double Baseline { get; }

    /// <summary>The scanned ratios, ascending.</summary>
    public IReadOnlyList<double> Ratios { get; }

    /// <summary>All points: roles in data order, each with its ratios ascending.</summary>
    public IReadOnlyList<SensitivityPoint> Points { get; }

    /// <summary>A table for people: a line for each role, the drops of the metric by ratio.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        var width = Points.Select(point => point.Role.Length).DefaultIfEmpty().Max();
        text.Append("drop by ratio".PadRight(width)).Append("        ");
        foreach (var ratio in Ratios)
            text.Append(CultureInfo.InvariantCulture, $" {ratio,8:0.##}");
        foreach (var role in Points.GroupBy(point => point.Role, StringComparer.Ordinal))
        {
            text.Append('\n').Append(role.Key.PadRight(width)).Append(CultureInfo.InvariantCulture, $" {role.First().Of,6} ");
            foreach (var point in role)
                text.Append(CultureInfo.InvariantCulture, $" {Baseline - point.Metric,8:0.0000}");
        }

        return text.Append('\n').ToString();
    }

    /// <inheritdoc cref="ToText"/>
    public override string ToString() => ToText();
}
