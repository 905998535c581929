namespace FilterPruning.Criteria;

/// <summary>How the agreement of two rankings is measured. Both run from −1, the reverse order, to 1, the same order.</summary>
public enum RankCorrelation
{
    /// <summary>Spearman's ρ: the correlation of the ranks. Large displacements weigh more.</summary>
    Spearman,

    /// <summary>Kendall's τ-b: the share of pairs in the same order less that in reverse order, corrected for ties. Every pair weighs the same.</summary>
    Kendall,
}
