namespace FilterPruning;

/// <summary>What pruning did to one layer.</summary>
/// <param name="Name">The layer's path in the model.</param>
/// <param name="Kind">The layer type, for instance <c>Conv2d</c>.</param>
/// <param name="Before">Output channels before.</param>
/// <param name="After">Output channels after.</param>
/// <param name="InputsBefore">Input channels before.</param>
/// <param name="InputsAfter">Input channels after.</param>
/// <param name="ScoreMinimum">The lowest score of its channel groups; null when they were not scored.</param>
/// <param name="ScoreMaximum">The highest score of its channel groups; null when they were not scored.</param>
/// <param name="Skipped">Why the layer keeps all its output channels; null when it lost some or none were to go.</param>
public sealed record LayerReport(
    string Name, string Kind, int Before, int After, int InputsBefore, int InputsAfter, double? ScoreMinimum, double? ScoreMaximum, string? Skipped);
