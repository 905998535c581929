using System.Text.Json.Serialization;

namespace FilterPruning.Benchmarks.Goals;

/// <summary>A figure as the summary file holds it: the five fields every reader knows, then what says where it came from.</summary>
internal sealed record GoalEntry(string Name, double? Value, string Unit, double Goal, bool AtLeast, string Suite, string? Note, string? Machine, string? Threads, string? Versions, bool? Quick)
{
    public static GoalEntry Of(GoalFigure figure, string suite, bool quick) => new(
        figure.Name, Rounded(figure.Value), figure.Unit, figure.Goal, figure.AtLeast, suite, figure.Note.Length == 0 ? null : figure.Note,
        Surroundings.Machine, Surroundings.Threads, Surroundings.Versions, quick ? true : null);

    /// <summary>The entry as a figure again; a value that was no number is NaN.</summary>
    [JsonIgnore]
    public GoalFigure Figure => new(Name, Value ?? double.NaN, Unit, Goal, AtLeast, Note ?? "");

    // Four digits are more than any timing repeats; JSON knows neither NaN nor infinity.
    private static double? Rounded(double value) =>
        double.IsFinite(value) ? double.Parse(value.ToString("G4", System.Globalization.CultureInfo.InvariantCulture), System.Globalization.CultureInfo.InvariantCulture) : null;
}
