namespace FilterPruning.Planning;

/// <summary>How the scores of a layer's filters are made comparable with those of other layers.</summary>
public enum ScoreNormalization
{
    /// <summary>Raw scores. Under <see cref="PruningScope.Global"/> layers with small filters then lose most.</summary>
    None,

    /// <summary>Divided by the mean score of the layer.</summary>
    Mean,

    /// <summary>Divided by the largest score of the layer.</summary>
    Max,

    /// <summary>The layer's mean is taken away and the rest divided by the layer's standard deviation.</summary>
    Standardized,

    /// <summary>
    /// Divided by the sum of those scores of the layer that are not smaller (Lee et al., ICLR 2021): the largest score of every layer becomes 1, or the share of it where
    /// several are largest. For scores of 0 or more. <see cref="Criteria.LampCriterion"/> is this on squared Euclidean norms.
    /// </summary>
    Lamp,
}
