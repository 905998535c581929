namespace FilterPruning.Cli.Report;

/// <summary>What was done after the cut; each is drawn in a way of its own.</summary>
internal enum CurveKind
{
    Raw,
    Repaired,
    FineTuned,
}

/// <summary>One line of a panel: a criterion at one scope, from the dense model to the smallest.</summary>
internal sealed record CurveLine(string Criterion, string Scope, CurveKind Kind, IReadOnlyList<ResultGroup> Groups)
{
    // A scope with fewer amounts than this is a side experiment: it stands in the tables only.
    private const int FewestAmounts = 3;

    /// <summary>
    /// The lines of a data set: the dense point first, then by amount removed. Of several ways of repair, layer sets and evaluation sizes, the one with
    /// the most points is drawn; scopes with one or two amounts are left out where others have more.
    /// </summary>
    public static IReadOnlyList<CurveLine> Of(IEnumerable<ResultPoint> points)
    {
        var comparable = MostCommon(points.Where(point => point.IsMeasured).ToArray(), point => (point.Key.Model, point.Key.Checkpoint, point.Key.EvalImages, point.Key.EvalSize));
        ResultGroup[] dense = [.. ResultGroup.From(comparable.Where(point => point.IsDense)).Take(1)];
        var pruned = MostCommon(comparable.Where(point => point.Key is not { Ratio: 0.0, Target: null }).ToArray(), point => point.Key.Layers);
        IEnumerable<ResultPoint> drawn =
        [
            .. pruned.Where(point => point.IsRaw),
            .. MostCommon(pruned.Where(point => point.Key.Repair != ResultPoint.NoRepair && !point.Key.FineTuned).ToArray(), point => (point.Key.Repair, point.Key.Images, point.Key.Variant, point.Key.Budget)),
            .. MostCommon(pruned.Where(point => point.Key.FineTuned).ToArray(), point => (point.Key.Repair, point.Key.Images, point.Key.Variant, point.Key.Budget)),
        ];
        var scopes = drawn.GroupBy(point => point.Key.Scope).Where(scope => scope.Select(point => point.Key.Amount).Distinct().Count() >= FewestAmounts).Select(scope => scope.Key).ToHashSet(StringComparer.Ordinal);
        return
        [
            .. ResultGroup.From(drawn).Where(group => scopes.Count == 0 || scopes.Contains(group.Key.Scope)).GroupBy(group => (group.Key.Criterion, group.Key.Scope, Kind: KindOf(group)))
                .Select(line => new CurveLine(line.Key.Criterion, line.Key.Scope, line.Key.Kind, [.. dense, .. line.OrderBy(Removed)])),
        ];
    }

    /// <summary>The share of filters that was to go; where a target stands instead, the share that went.</summary>
    public static double? Removed(ResultGroup group) => group.Key.Target is null ? group.Key.Ratio : group.Mean(point => point.FilterShare);

    private static CurveKind KindOf(ResultGroup group) => group.Key.FineTuned ? CurveKind.FineTuned : group.IsRaw ? CurveKind.Raw : CurveKind.Repaired;

    private static ResultPoint[] MostCommon<T>(ResultPoint[] points, Func<ResultPoint, T> part) =>
        points.Length == 0 ? [] : [.. points.GroupBy(part).MaxBy(group => group.Count())!];
}
