namespace FilterPruning.Cli.Report;

/// <summary>The order in which groups stand in tables and legends: what is measured, how filters are chosen, how many go, how it is repaired.</summary>
internal sealed class ResultOrder : IComparer<ResultGroup>
{
    public static readonly ResultOrder Instance = new();

    private static readonly string[] Criteria = ["any", "none", "l1", "l2", "random", "gram"];
    private static readonly string[] Scopes = ["any", "global-raw", "global-normalised", "local", "allocated"];
    private static readonly string[] LayerSets = ["all", "backbone", "inner"];

    /// <summary>Places known criteria first, others after them by name.</summary>
    public static (int, string) OfCriterion(string name) => Place(Criteria, name);

    /// <summary>Places known scopes first, others after them by name. What stands behind a <c>+</c>, a floor for instance, follows the bare scope.</summary>
    public static (int, string) OfScope(string name) => (Place(Scopes, name.Split('+')[0]).Item1, name);

    public int Compare(ResultGroup? x, ResultGroup? y)
    {
        var what = What(x!.Key).CompareTo(What(y!.Key));
        var how = what != 0 ? what : How(x.Key).CompareTo(How(y.Key));
        return how != 0 ? how : Amount(x.Key).CompareTo(Amount(y.Key));
    }

    private static (string, string, string, int, int) What(PointKey key) => (key.Dataset, key.Model, key.Checkpoint, key.EvalSize ?? 0, key.EvalImages ?? 0);

    private static ((int, string), (int, string), (int, string)) How(PointKey key) => (Place(LayerSets, key.Layers), OfCriterion(key.Criterion), OfScope(key.Scope));

    // A target stands after the ratios, which are below 1.
    private static (double, string, double, int, string, int, string) Amount(PointKey key) =>
        (key.Ratio ?? 2, key.Target ?? "", key.FineTuned ? key.Budget ?? double.MaxValue : 0, key.Repair == ResultPoint.NoRepair ? 0 : 1, key.Repair, key.Images ?? 0, key.Variant ?? "");

    private static (int, string) Place(string[] known, string name) => Array.IndexOf(known, name) is var index and >= 0 ? (index, name) : (known.Length, name);
}
