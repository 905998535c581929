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
}
