using FilterPruning.Planning;

namespace FilterPruning.Criteria;

/// <summary>What combinations of criteria share.</summary>
internal static class CriterionParts
{
    public static void Check(IReadOnlyList<IPruningCriterion> parts, string parameter)
    {
        if (parts.Count == 0 || parts.Any(part => part is null))
            throw new ArgumentException($"{parts.Count} criteria were given, {parts.Count(part => part is null)} of them null; allowed is one or more. Give the criteria to combine.", parameter);
    }

    /// <summary>Passes the preparation on to every part that needs it, once.</summary>
    public static void Prepare(IEnumerable<IPruningCriterion> parts, CriterionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        foreach (var part in parts.OfType<IPreparedCriterion>().Distinct<IPreparedCriterion>(ReferenceEqualityComparer.Instance))
            part.Prepare(context);
    }

    /// <summary>The scores of one filter bank by each part, checked.</summary>
    public static double[][] Scores(IEnumerable<IPruningCriterion> parts, FilterBank filters)
    {
        ArgumentNullException.ThrowIfNull(filters);
        return [.. parts.Select(part => FilterScorer.Check(part, filters))];
    }

    public static Tensor ToTensor(IEnumerable<double> scores) => tensor(scores.Select(score => (float)score).ToArray(), dtype: float32, device: CPU);
}
