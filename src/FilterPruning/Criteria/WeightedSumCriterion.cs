using System.Globalization;
using FilterPruning.Planning;

namespace FilterPruning.Criteria;

/// <summary>A weighted sum of other criteria: Σ weight · normalised score. Needs what its parts need.</summary>
/// <remarks>Each part's scores are normalised within the layer first, for their scales have nothing in common. Unlike <see cref="RankProductCriterion"/>, distances between scores count. As thread-safe as its parts.</remarks>
public sealed class WeightedSumCriterion : IPreparedCriterion
{
    private readonly IReadOnlyList<(IPruningCriterion Criterion, double Weight)> _parts;
    private readonly ScoreNormalization _normalization;

    /// <summary>Creates the combination; each part's scores are divided by their mean over the layer.</summary>
    /// <param name="parts">The criteria and their weights: finite and above 0.</param>
    /// <exception cref="ArgumentException">No part, or a part or weight that is not allowed.</exception>
    public WeightedSumCriterion(params IReadOnlyList<(IPruningCriterion Criterion, double Weight)> parts)
        : this(ScoreNormalization.Mean, parts)
    {
    }

    /// <summary>Creates the combination.</summary>
    /// <param name="normalization">How the scores of each part are made comparable within a layer.</param>
    /// <param name="parts">The criteria and their weights: finite and above 0.</param>
    /// <exception cref="ArgumentException">No part, or a part or weight that is not allowed.</exception>
    public WeightedSumCriterion(ScoreNormalization normalization, params IReadOnlyList<(IPruningCriterion Criterion, double Weight)> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        if (!Enum.IsDefined(normalization))
            throw new ArgumentOutOfRangeException(nameof(normalization), normalization, $"Allowed are {string.Join(", ", Enum.GetNames<ScoreNormalization>())}.");
        CriterionParts.Check([.. parts.Select(part => part.Criterion)], nameof(parts));
        foreach (var (criterion, weight) in parts)
        {
            if (!(weight > 0 && double.IsFinite(weight)))
                throw new ArgumentException($"The weight of '{criterion.Name}' is {weight}; allowed are finite numbers above 0. Leave the criterion out instead of weighting it with 0.", nameof(parts));
        }

        (_parts, _normalization) = ([.. parts], normalization);
    }

    /// <summary>The weights and names of the parts, for instance <c>sum(0.5*l1+0.5*taylor)</c>.</summary>
    public string Name => $"sum({string.Join('+', _parts.Select(part => string.Create(CultureInfo.InvariantCulture, $"{part.Weight}*{part.Criterion.Name}")))})";

    /// <inheritdoc/>
    public void Prepare(CriterionContext context) => CriterionParts.Prepare(_parts.Select(part => part.Criterion), context);

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters)
    {
        var scores = CriterionParts.Scores(_parts.Select(part => part.Criterion), filters)
            .Select(part => ScoreNormalizer.Apply(part, _normalization, filters.LayerName)).ToList();
        return CriterionParts.ToTensor(Enumerable.Range(0, filters.Count).Select(filter => _parts.Select((part, i) => part.Weight * scores[i][filter]).Sum()));
    }
}
