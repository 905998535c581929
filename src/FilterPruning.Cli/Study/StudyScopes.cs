using System.Globalization;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Study;

/// <summary>How the study shares out what is removed, by the names in its result files: the names of <see cref="PruningScope"/>, with two kinds of global.</summary>
internal static class StudyScopes
{
    private const string FloorMark = "+floor:";

    private static readonly (string Name, PruningScope Scope, ScoreNormalization Normalization)[] Known =
    [
        .. Enum.GetValues<PruningScope>().Where(scope => scope != PruningScope.Global).Select(scope => (scope.ToString().ToLowerInvariant(), scope, ScoreNormalization.None)),
        ("global-normalised", PruningScope.Global, ScoreNormalization.Mean),
        ("global-raw", PruningScope.Global, ScoreNormalization.None),
    ];

    /// <summary>The three of the study, most informative first.</summary>
    public static IReadOnlyList<string> Default { get; } = ["local", "global-normalised", "global-raw"];

    public static string List => $"{string.Join(", ", Known.Select(scope => scope.Name))}, each optionally with a share that every layer keeps: global-raw{FloorMark}0.1";

    /// <summary>Sets the scope, and the floor where the name has one.</summary>
    /// <exception cref="ArgumentException">There is no such scope.</exception>
    public static PruningOptions Apply(string name, PruningOptions options)
    {
        var mark = name.IndexOf(FloorMark, StringComparison.Ordinal);
        var bare = mark < 0 ? name : name[..mark];
        var index = Array.FindIndex(Known, scope => scope.Name == bare);
        if (index < 0)
            throw new ArgumentException($"There is no scope '{name}'; allowed are {List}.");
        options = options with { Scope = Known[index].Scope, Normalization = Known[index].Normalization };
        if (mark < 0)
            return options;
        return double.TryParse(name.AsSpan(mark + FloorMark.Length), NumberStyles.Float, CultureInfo.InvariantCulture, out var floor) && floor is > 0 and < 1
            ? options with { MaximumLayerRatio = 1 - floor }
            : throw new ArgumentException($"The scope '{name}' has no floor above 0 and below 1. Write, for instance, {bare}{FloorMark}0.1.");
    }
}
