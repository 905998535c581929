using System.Globalization;

namespace FilterPruning.Cli.Report;

/// <summary>How figures are written in tables.</summary>
internal static class Figures
{
    /// <summary>What stands where there is no figure.</summary>
    public const string None = "–";

    /// <summary>An accuracy from 0 to 1; over several seeds the mean ± the standard deviation and the range.</summary>
    public static string Accuracy(Spread? spread) => spread switch
    {
        null => None,
        { Count: 1 } one => Text(one.Mean, "0.000"),
        { } several => $"{Text(several.Mean, "0.000")} ± {Text(several.Deviation, "0.000")} ({Text(several.Low, "0.000")}–{Text(several.High, "0.000")})",
    };

    /// <summary>A figure that several seeds may share: its mean, and the range where it differs in the digits shown.</summary>
    public static string Amount(Spread? spread, string format, double unit = 1)
    {
        if (spread is not { } there)
            return None;
        var (low, high) = (Text(there.Low / unit, format), Text(there.High / unit, format));
        return low == high ? Text(there.Mean / unit, format) : $"{Text(there.Mean / unit, format)} ({low}–{high})";
    }

    /// <summary>An interval.</summary>
    public static string Interval((double Low, double High)? interval) => interval is { } there ? $"{Text(there.Low, "0.000")}–{Text(there.High, "0.000")}" : None;

    /// <summary>A share as percent.</summary>
    public static string Percent(double? share, string format = "0.0") => share is { } value && double.IsFinite(value) ? $"{Text(100 * value, format)} %" : None;

    public static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
