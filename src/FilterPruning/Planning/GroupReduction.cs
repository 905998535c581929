namespace FilterPruning.Planning;

/// <summary>How the scores of all filters of a channel group become the group's score.</summary>
public enum GroupReduction
{
    /// <summary>Their mean.</summary>
    Mean,

    /// <summary>Their sum: groups with many filters count more.</summary>
    Sum,

    /// <summary>The largest one: a group is as important as its most important filter.</summary>
    Max,

    /// <summary>The score of the first filter in data order.</summary>
    First,

    /// <summary>
    /// Their product, as its n-th root (the geometric mean of n scores), which neither overflows nor favours groups by their size: one filter that scores 0 is enough for
    /// the group to score 0. For normalised scores of 0 or more; the standardised ones are not.
    /// </summary>
    Product,
}
