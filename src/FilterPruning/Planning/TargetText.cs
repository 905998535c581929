using System.Globalization;

namespace FilterPruning.Planning;

/// <summary>Shares and amounts as people write them.</summary>
internal static class TargetText
{
    private static readonly (string Suffix, long Factor)[] _units = [("ki", 1L << 10), ("mi", 1L << 20), ("gi", 1L << 30), ("k", 1000), ("m", 1_000_000), ("g", 1_000_000_000)];

    private static readonly (string Suffix, long Factor)[] _times = [("ms", 1000), ("us", 1), ("µs", 1), ("s", 1_000_000)];

    public static PruningTarget Parse(TargetMeasure measure, string text)
    {
        var number = text.Trim();
        if (number.EndsWith('%'))
            return TryNumber(number[..^1], out var percent) && percent is > 0 and <= 100 ? PruningTarget.OfShare(measure, (double)(percent / 100)) : throw Refuse(measure, text);
        if (measure == TargetMeasure.Latency)
            return OfLatency(number) ?? throw Refuse(measure, text);
        if (number.EndsWith('B') || number.EndsWith('b'))
            number = number[..^1];
        var factor = 1L;
        foreach (var (suffix, unit) in _units)
        {
            if (!number.EndsWith(suffix, StringComparison.OrdinalIgnoreCase))
                continue;
            (number, factor) = (number[..^suffix.Length], unit);
            break;
        }

        if (!TryNumber(number, out var value) || value <= 0)
            throw Refuse(measure, text);
        if (value <= 1 && factor == 1)
            return PruningTarget.OfShare(measure, (double)value);
        // Decimal multiplication throws on its own where the product is too large.
        if (measure == TargetMeasure.Filters || value > long.MaxValue / factor || decimal.Truncate(value * factor) != value * factor)
            throw Refuse(measure, text);
        return PruningTarget.OfAmount(measure, (long)(value * factor));
    }

    // Microseconds, with a unit; a bare number is a share.
    private static PruningTarget? OfLatency(string number)
    {
        foreach (var (suffix, unit) in _times)
        {
            if (!number.EndsWith(suffix, StringComparison.Ordinal))
                continue;
            return TryNumber(number[..^suffix.Length], out var time) && time > 0 && time <= long.MaxValue / unit && time * unit >= 1 ? PruningTarget.OfAmount(TargetMeasure.Latency, (long)(time * unit)) : null;
        }

        return TryNumber(number, out var share) && share is > 0 and <= 1 ? PruningTarget.OfShare(TargetMeasure.Latency, (double)share) : null;
    }

    private static bool TryNumber(string text, out decimal value)
        => decimal.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out value);

    private static ArgumentException Refuse(TargetMeasure measure, string text) => new(
        $"'{text}' is no target for {measure.ToString().ToLowerInvariant()}; allowed is the share that remains, above 0 and at most 1 (0.5 or 50%)"
        + $"{(measure == TargetMeasure.Filters ? "" : measure == TargetMeasure.Latency ? ", or a time with its unit (120ms, 1.5s or 800us)" : ", or a whole amount above 1 (3500000 or 3.5M)")}.", nameof(text));
}
