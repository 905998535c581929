namespace FilterPruning.Cli.Report;

/// <summary>
/// What the study set out to show, and what came of it: for each goal the best point of the library that fits the setting, the same raw, and the
/// same budget with random filters.
/// </summary>
internal static class GoalTable
{
    // A target counts as met when a floor of a few filters leaves this much more.
    private const double MacsTolerance = 0.005;
    private const string Random = "random";

    private static readonly Goal[] Goals =
    [
        new("40 % of the inner filters, ranked globally", point => Repaired(point) && point.Key is { Layers: "inner", Ratio: 0.4 } && point.Key.Scope != "local", [Ap50(0.99), Iou(0.98)]),
        new("40 % of all filters", point => Repaired(point) && point.Key is { Layers: "all", Ratio: 0.4 }, [Ap50(0.99), Iou(0.98), Ap75(0.85)]),
        new("50 % of all filters", point => Repaired(point) && point.Key is { Layers: "all", Ratio: 0.5 }, [Ap50(0.98), Iou(0.97), Ap75(0.75)]),
        new("60 % of all filters", point => Repaired(point) && point.Key is { Layers: "all", Ratio: 0.6 }, [Ap50(0.95)]),
        new("70 % of all filters", point => Repaired(point) && point.Key is { Layers: "all", Ratio: 0.7 }, [Ap50(0.8)]),
        new("50 % of the MACs removed, at most 64 images", point => Repaired(point) && MacsAtMost(point, 0.5) && point.Key.Images is null or <= 64, [Ap50(0.99)]),
        new("50 % of the MACs removed, fine-tuned for a quarter of the training", point => Tuned(point, 0.25) && MacsAtMost(point, 0.5), [Ap(1)]),
        new("75 % of the MACs removed, fine-tuned for half of it", point => Tuned(point, 0.5) && MacsAtMost(point, 0.25), [Ap(0.97)]),
    ];

    public static string Build(StudyContext context)
    {
        if (context.Groups.Count == 0)
            return StudyTables.NotYet;
        var table = new MarkdownTable(
            "setting", "goal, of dense", "best of ours", "compression", "MACs of dense", "AP50", "of dense", "AP75", "of dense", "mask AP", "of dense", "IoU@0.5 (match rate)", "of dense", "reached",
            "the same, raw: AP50; IoU@0.5", "random, same budget and repair: AP50; IoU@0.5");
        var shown = new List<ResultGroup>();
        foreach (var goal in Goals)
        {
            ResultGroup[] fitting = [.. context.Groups.Where(group => group.IsMeasured && group.Points.Where(point => point.IsMeasured).All(goal.Fits))];
            var wanted = string.Join(", ", goal.Requirements.Select(requirement => $"{requirement.Name} ≥ {Figures.Percent(requirement.Share, "0")}"));
            if (Best(context, goal, fitting.Where(group => group.Key.Criterion != Random)) is not { } best)
            {
                table.Add([goal.Setting, wanted, .. Enumerable.Repeat(Figures.None, 11), "not measured", Figures.None, Figures.None]);
                continue;
            }

            shown.Add(best);
            table.Add(
                goal.Setting, wanted, $"{best.Key.Criterion}, {best.Key.Scope}, {best.Key.Amount}, {Dimension.Repaired(best)}",
                Figures.Amount(best.Of(point => point.Compression), "0.00"), Figures.Percent(best.Mean(point => point.MacsShare)),
                Figures.Accuracy(best.Of(point => point.MaskAP50)), Figures.Percent(context.OfDense(best, point => point.MaskAP50)),
                Figures.Accuracy(best.Of(point => point.MaskAP75)), Figures.Percent(context.OfDense(best, point => point.MaskAP75)),
                Figures.Accuracy(best.Of(point => point.MaskAP)), Figures.Percent(context.OfDense(best, point => point.MaskAP)),
                AccuracyTable.Iou(best), Figures.Percent(context.OfDense(best, point => point.IouAt50)), Reached(context, goal, best),
                Both(context.All.FirstOrDefault(group => group.IsRaw && group.Key == best.Key with { Repair = ResultPoint.NoRepair, Images = group.Key.Images, FineTuned = false, Variant = null, Budget = null, Seed = group.Key.Seed })),
                Both(Best(context, goal, fitting.Where(group => group.Key.Criterion == Random))));
        }

        return table + "\nOf several points that fit a setting, the one that meets most of its goals stands here, then the one with the highest first goal; it was chosen on the test images it is reported on.\n" + context.Below(shown, Dimension.All.Where(dimension => dimension == Dimension.Repair || dimension == Dimension.Layers || Dimension.Columns(shown).Contains(dimension)).ToArray());
    }

    private static ResultGroup? Best(StudyContext context, Goal goal, IEnumerable<ResultGroup> groups) => groups
        .OrderByDescending(group => goal.Requirements.Count(requirement => requirement.IsMet(context, group)))
        .ThenByDescending(group => group.Mean(goal.Requirements[0].Figure) ?? -1)
        .FirstOrDefault();

    private static string Reached(StudyContext context, Goal goal, ResultGroup best)
    {
        if (context.DenseOf(best) is null)
            return "no dense model to compare with";
        string[] missed = [.. goal.Requirements.Where(requirement => !requirement.IsMet(context, best)).Select(requirement => requirement.Name)];
        return missed.Length == 0 ? "yes" : $"no ({string.Join(", ", missed)})";
    }

    private static string Both(ResultGroup? group) => group is { IsMeasured: true } ? $"{Figures.Accuracy(group.Of(point => point.MaskAP50))}; {AccuracyTable.Iou(group)}" : Figures.None;

    private static bool Repaired(ResultPoint point) => point.Key.Repair != ResultPoint.NoRepair && !point.Key.FineTuned;

    private static bool Tuned(ResultPoint point, double budget) => point.Key is { FineTuned: true, Budget: { } spent } && spent <= budget;

    private static bool MacsAtMost(ResultPoint point, double share) => point.MacsShare is { } there && there <= share + MacsTolerance;

    private static Requirement Ap(double share) => new("mask AP", share, point => point.MaskAP);

    private static Requirement Ap50(double share) => new("AP50", share, point => point.MaskAP50);

    private static Requirement Ap75(double share) => new("AP75", share, point => point.MaskAP75);

    private static Requirement Iou(double share) => new("IoU@0.5", share, point => point.IouAt50);

    private sealed record Goal(string Setting, Func<ResultPoint, bool> Fits, Requirement[] Requirements);

    private sealed record Requirement(string Name, double Share, Func<ResultPoint, double?> Figure)
    {
        public bool IsMet(StudyContext context, ResultGroup group) => context.OfDense(group, Figure) is { } share && share >= Share;
    }
}
