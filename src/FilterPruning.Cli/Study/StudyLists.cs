using System.Globalization;
using FilterPruning.Planning;
using FilterPruning.Schedules;

namespace FilterPruning.Cli.Study;

/// <summary>Reads lists that options give with commas.</summary>
internal static class StudyLists
{
    /// <summary>The parts of <c>a,b,c</c>, each once.</summary>
    /// <exception cref="ArgumentException">There is none, or an empty one.</exception>
    public static IReadOnlyList<string> Split(string option, string text)
    {
        string[] parts = [.. text.Split(',').Select(part => part.Trim())];
        return parts.Any(part => part.Length == 0)
            ? throw new ArgumentException($"{option} is '{text}'; allowed is a list separated by commas, without empty entries.")
            : [.. parts.Distinct()];
    }

    /// <summary>Reads <c>0,0.1,0.5</c>.</summary>
    /// <exception cref="ArgumentException">Something is no ratio.</exception>
    public static IReadOnlyList<double> Ratios(string text) =>
    [
        .. Split("--ratios", text).Select(part => double.TryParse(part, NumberStyles.Float, CultureInfo.InvariantCulture, out var ratio) && ratio is >= 0 and < 1
            ? ratio
            : throw new ArgumentException($"--ratios holds '{part}'; allowed are shares of the filters to remove, 0 <= ratio < 1, separated by commas, for instance 0,0.2,0.4.")).Distinct(),
    ];

    /// <summary>Reads <c>0.25,0.5</c>.</summary>
    /// <exception cref="ArgumentException">Something is no share of a training.</exception>
    public static IReadOnlyList<double> Budgets(string text) =>
    [
        .. Split("--fine-tune", text).Select(part => double.TryParse(part, NumberStyles.Float, CultureInfo.InvariantCulture, out var budget) && budget is > 0 and <= 100
            ? budget
            : throw new ArgumentException($"--fine-tune holds '{part}'; allowed are shares of the original training above 0, separated by commas, for instance 0.25,0.5.")).Distinct(),
    ];

    /// <exception cref="ArgumentException">Something is no seed.</exception>
    public static IReadOnlyList<int> Seeds(string text) =>
    [
        .. Split("--seeds", text).Select(part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var seed)
            ? seed
            : throw new ArgumentException($"--seeds holds '{part}'; allowed are whole numbers from 0, separated by commas.")),
    ];

    /// <summary>Targets as <see cref="PruningTarget.ToString"/> writes them, so that one target has one key.</summary>
    public static IReadOnlyList<string> Targets(string text) => [.. Split("--targets", text).Select(part => PruningTarget.Parse(part).ToString()).Distinct()];

    /// <summary>Reads <c>2/3</c>: the second of three.</summary>
    /// <exception cref="ArgumentException">It is no such thing.</exception>
    public static Shard Shard(string text)
    {
        try
        {
            return Schedules.Shard.Parse(text);
        }
        catch (FormatException error)
        {
            throw new ArgumentException($"--shard: {error.Message}", error);
        }
    }
}
