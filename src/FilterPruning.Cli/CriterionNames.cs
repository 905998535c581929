using FilterPruning.Criteria;

namespace FilterPruning.Cli;

/// <summary>The criteria by their names on the command line.</summary>
internal static class CriterionNames
{
    private static readonly Dictionary<string, Func<int, IPruningCriterion>> Known = new(StringComparer.OrdinalIgnoreCase)
    {
        ["l1"] = _ => new L1Criterion(),
        ["l2"] = _ => new L2Criterion(),
        ["random"] = seed => new RandomCriterion(seed),
    };

    public static string List => string.Join("|", Known.Keys);

    public static IPruningCriterion Create(string name, int seed) =>
        Known.TryGetValue(name, out var create)
            ? create(seed)
            : throw new ArgumentException($"There is no criterion '{name}'. Known: {string.Join(", ", Known.Keys)}.");
}
