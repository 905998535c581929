namespace FilterPruning.Benchmarks.Goals;

/// <summary>One measured number and the goal it is held against.</summary>
/// <param name="Name">Lower-case words joined by dots, the area first: <c>l1.read_bandwidth_share.min</c>. Unique over all suites.</param>
/// <param name="Value">What was measured.</param>
/// <param name="Unit">The unit of value and goal: <c>s</c>, <c>ms</c>, <c>B</c>, or <c>ratio</c> for a number without one.</param>
/// <param name="Goal">The bound.</param>
/// <param name="AtLeast">True when the value has to be at or above the goal, false when at or below.</param>
/// <param name="Note">What a reader needs in order to trust the number: where it was worst, on how many rounds.</param>
internal sealed record GoalFigure(string Name, double Value, string Unit, double Goal, bool AtLeast, string Note = "")
{
    /// <summary>NaN reaches no goal.</summary>
    public bool Reached => AtLeast ? Value >= Goal : Value <= Goal;
}
