namespace FilterPruning.Planning;

/// <summary>What a plan does to one layer.</summary>
/// <param name="Name">The layer's path in the model.</param>
/// <param name="Kind">The layer type, for instance <c>Conv2d</c>.</param>
/// <param name="InputChannels">Width of the input before the cut.</param>
/// <param name="RemovedInputs">Input channels to remove: indices before the cut, ascending.</param>
/// <param name="OutputChannels">Width of the output before the cut.</param>
/// <param name="RemovedOutputs">Output channels to remove: indices before the cut, ascending.</param>
/// <param name="Scores">The scores of the layer's channel groups; null when they were not scored.</param>
/// <param name="Skipped">Why the layer keeps all its output channels although others lose some; null when it loses some or the ratio asks for none.</param>
public sealed record LayerPlan(
    string Name,
    string Kind,
    int InputChannels,
    IReadOnlyList<int> RemovedInputs,
    int OutputChannels,
    IReadOnlyList<int> RemovedOutputs,
    ScoreRange? Scores = null,
    string? Skipped = null)
{
    /// <summary>Width of the input after the cut.</summary>
    public int KeptInputs => InputChannels - RemovedInputs.Count;

    /// <summary>Width of the output after the cut.</summary>
    public int KeptOutputs => OutputChannels - RemovedOutputs.Count;
}

/// <summary>The scores of the channel groups that one layer's output channels belong to, as they were ranked.</summary>
/// <param name="Minimum">The lowest score.</param>
/// <param name="Maximum">The highest score.</param>
/// <param name="Threshold">The highest score that was removed; null when the layer loses nothing.</param>
public readonly record struct ScoreRange(double Minimum, double Maximum, double? Threshold);
