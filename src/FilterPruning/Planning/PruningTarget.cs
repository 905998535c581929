using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FilterPruning.Planning;

/// <summary>
/// What a model should cost after the cut: always what <b>remains</b>, never what goes. <c>KeepMacsShare(0.3)</c> leaves 30 % of the multiply-accumulates,
/// where a <see cref="PruningOptions.Ratio"/> of 0.3 removes 30 % of the filters. Immutable.
/// </summary>
/// <remarks>
/// The plan never costs more than the target. It costs less by at most 0.1 % of the target, or, where channels are coarser than that, by less than the
/// smallest step that could be given back.
/// </remarks>
[JsonConverter(typeof(PruningTargetConverter))]
public sealed record PruningTarget
{
    private PruningTarget(TargetMeasure measure, double? share, long? amount) => (Measure, Share, Amount) = (measure, share, amount);

    /// <summary>What is counted.</summary>
    public TargetMeasure Measure { get; }

    /// <summary>The share that remains, above 0 and at most 1; null for an absolute target.</summary>
    public double? Share { get; }

    /// <summary>The most that may remain, at least 1; null for a share.</summary>
    public long? Amount { get; }

    /// <summary>Keeps this share of the channel groups: the same as a <see cref="PruningOptions.Ratio"/> of 1 − <paramref name="share"/>.</summary>
    /// <param name="share">The share that remains: above 0, at most 1.</param>
    public static PruningTarget KeepFiltersShare(double share) => OfShare(TargetMeasure.Filters, share);

    /// <summary>Keeps this share of the parameters.</summary>
    /// <param name="share">The share that remains: above 0, at most 1.</param>
    public static PruningTarget KeepParametersShare(double share) => OfShare(TargetMeasure.Parameters, share);

    /// <summary>Keeps this share of the multiply-accumulates.</summary>
    /// <param name="share">The share that remains: above 0, at most 1.</param>
    public static PruningTarget KeepMacsShare(double share) => OfShare(TargetMeasure.Macs, share);

    /// <summary>Keeps this share of the stored bytes.</summary>
    /// <param name="share">The share that remains: above 0, at most 1.</param>
    public static PruningTarget KeepBytesShare(double share) => OfShare(TargetMeasure.Bytes, share);

    /// <summary>Leaves at most this many parameters.</summary>
    /// <param name="count">At least 1.</param>
    public static PruningTarget AtMostParameters(long count) => OfAmount(TargetMeasure.Parameters, count);

    /// <summary>Leaves at most this many multiply-accumulates in the traced forward.</summary>
    /// <param name="count">At least 1.</param>
    public static PruningTarget AtMostMacs(long count) => OfAmount(TargetMeasure.Macs, count);

    /// <summary>Leaves at most this many bytes of stored tensors. The header of a file comes on top.</summary>
    /// <param name="bytes">At least 1.</param>
    public static PruningTarget AtMostBytes(long bytes) => OfAmount(TargetMeasure.Bytes, bytes);

    /// <summary>Keeps this share of the traced forward's time on this machine; needs <see cref="PruningOptions.Latency"/>.</summary>
    /// <param name="share">The share that remains: above 0, at most 1.</param>
    public static PruningTarget KeepLatencyShare(double share) => OfShare(TargetMeasure.Latency, share);

    /// <summary>The traced forward takes no longer than this on this machine; needs <see cref="PruningOptions.Latency"/>.</summary>
    /// <param name="latency">At least a microsecond.</param>
    public static PruningTarget AtMostLatency(TimeSpan latency) => OfAmount(TargetMeasure.Latency, (long)latency.TotalMicroseconds);

    /// <summary>Reads a target of a known measure, as a command line gives it.</summary>
    /// <param name="measure">What is counted.</param>
    /// <param name="text">
    /// A share that remains (<c>0.5</c>, <c>50%</c>; anything up to 1 is a share) or an amount (<c>3500000</c>, <c>3.5M</c>; <c>k</c>, <c>M</c> and <c>G</c> are powers of 1000,
    /// <c>KiB</c>, <c>MiB</c> and <c>GiB</c> powers of 1024, and a <c>B</c> may follow). A latency is a share, or a time with its unit (<c>120ms</c>, <c>1.5s</c>, <c>800us</c>).
    /// </param>
    /// <exception cref="ArgumentException">The text is neither.</exception>
    public static PruningTarget Parse(TargetMeasure measure, string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TargetText.Parse(measure, text);
    }

    /// <summary>Reads what <see cref="ToString"/> writes: a measure, a colon, and a share or an amount.</summary>
    /// <exception cref="ArgumentException">The text is no target.</exception>
    public static PruningTarget Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon > 0 && Enum.TryParse<TargetMeasure>(text[..colon], ignoreCase: true, out var measure) && !char.IsAsciiDigit(text[0])
            ? Parse(measure, text[(colon + 1)..])
            : throw new ArgumentException(
                $"'{text}' is no target; allowed is one of {string.Join(", ", Enum.GetNames<TargetMeasure>()).ToLowerInvariant()}, a colon, and what remains. Write, for instance, 'macs:0.5'.", nameof(text));
    }

    /// <summary>The target as <see cref="Parse(string)"/> reads it, for instance <c>macs:0.5</c> or <c>bytes:2000000</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Measure.ToString().ToLowerInvariant()}:{(Share is { } share ? share : Amount)}{(Measure == TargetMeasure.Latency && Share is null ? "us" : "")}");

    internal static PruningTarget OfShare(TargetMeasure measure, double share)
        => share is > 0 and <= 1
            ? new PruningTarget(measure, share, null)
            : throw new ArgumentOutOfRangeException(nameof(share), share, $"The share of {measure} that remains is {share}; allowed is 0 < share <= 1. Give 0.4 to keep 40 %.");

    internal static PruningTarget OfAmount(TargetMeasure measure, long amount)
        => measure != TargetMeasure.Filters && amount >= 1
            ? new PruningTarget(measure, null, amount)
            : throw new ArgumentOutOfRangeException(nameof(amount), amount, $"At most {amount} {measure} is no target; allowed is 1 or more of Parameters, Macs, Bytes or microseconds of Latency. Filters are given as a share.");
}

/// <summary>Writes a target as its text.</summary>
internal sealed class PruningTargetConverter : JsonConverter<PruningTarget>
{
    public override PruningTarget? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        try
        {
            return reader.TokenType == JsonTokenType.String ? PruningTarget.Parse(reader.GetString()!) : throw new JsonException("A target must be a text such as \"macs:0.5\".");
        }
        catch (ArgumentException error)
        {
            throw new JsonException(error.Message, error);
        }
    }

    public override void Write(Utf8JsonWriter writer, PruningTarget value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}
