namespace FilterPruning.Planning;

/// <summary>Among which groups the ratio is shared out.</summary>
public enum PruningScope
{
    /// <summary>Every role loses the same share of its groups: widths shrink evenly.</summary>
    Local,

    /// <summary>All groups of the model are ranked together: layers with little importance lose more.</summary>
    Global,
}
