using System.Globalization;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Study;

/// <summary>How the study shares out what is removed, by the names in its result files.</summary>
internal static class StudyScopes
{
    private const string FloorMark = "+floor:";

    private static readonly (string Name, Func<PruningOptions, PruningOptions> Apply)[] Known =
    [
        ("local", options => options with { Scope = PruningScope.Local }),
        ("global-normalised", options => options with { Scope = PruningScope.Global, Normalization = ScoreNormalization.Mean }),
        ("global-raw", options => options with { Scope = PruningScope.Global, Normalization = ScoreNormalization.None }),
        ("isomorphic", options => options with { Scope = PruningScope.Isomorphic }),
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
        if (Array.Find(Known, scope => scope.Name == bare) is not { Apply: { } apply })
            throw new ArgumentException($"There is no scope '{name}'; allowed are {List}.");
        if (mark < 0)
            return apply(options);
        return double.TryParse(name.AsSpan(mark + FloorMark.Length), NumberStyles.Float, CultureInfo.InvariantCulture, out var floor) && floor is > 0 and < 1
            ? apply(options) with { MaximumLayerRatio = 1 - floor }
            : throw new ArgumentException($"The scope '{name}' has no floor above 0 and below 1. Write, for instance, {bare}{FloorMark}0.1.");
    }
}
