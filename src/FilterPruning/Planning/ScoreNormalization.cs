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
}
