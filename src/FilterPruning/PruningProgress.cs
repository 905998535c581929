namespace FilterPruning;

/// <summary>How far a pruning call is. One is reported before each step and one at the end of each stage.</summary>
/// <param name="Stage">What is being done.</param>
/// <param name="Done">Steps of this stage that are done, from 0 to <paramref name="Total"/>.</param>
/// <param name="Total">Steps of this stage, at least 1. Tracing may need fewer than it announces.</param>
public readonly record struct PruningProgress(PruningStage Stage, int Done, int Total);
