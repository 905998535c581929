using System.Globalization;
using FilterPruning.Criteria;

namespace FilterPruning.Cli;

/// <summary>The criteria by their names on the command line.</summary>
internal static class CriterionNames
{
    private static readonly Dictionary<string, Func<int, IPruningCriterion>> Known = new(StringComparer.OrdinalIgnoreCase)
    {
        ["l1"] = _ => new L1Criterion(),
        ["l2"] = _ => new L2Criterion(),
        ["lp"] = _ => new LpCriterion(DefaultExponent),
        ["fpgm"] = _ => new GeometricMedianCriterion(),
        ["bn-scale"] = _ => new BatchNormScaleCriterion(),
        ["lamp"] = _ => new LampCriterion(),
        ["random"] = seed => new RandomCriterion(seed),
    };

    private const double DefaultExponent = 0.5;

    /// <summary>The names; <c>lp</c> may carry an exponent, as in <c>lp:1.5</c>.</summary>
    public static string List => string.Join("|", Known.Keys.Select(name => name == "lp" ? "lp[:P]" : name));

    public static IPruningCriterion Create(string name, int seed)
    {
        if (Known.TryGetValue(name, out var create))
            return create(seed);
        if (name.StartsWith("lp:", StringComparison.OrdinalIgnoreCase))
        {
            return double.TryParse(name.AsSpan(3), NumberStyles.Float, CultureInfo.InvariantCulture, out var p) && p > 0
                ? new LpCriterion(p)
                : throw new ArgumentException($"'{name}' has no exponent above 0. Give one, for instance lp:0.5.");
        }

        throw new ArgumentException($"There is no criterion '{name}'. Known: {string.Join(", ", Known.Keys)}.");
    }
}
