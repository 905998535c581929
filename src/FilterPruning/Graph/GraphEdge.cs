namespace FilterPruning.Graph;

/// <summary>That one layer's output was seen to reach another layer's input, through nothing but code without a rule.</summary>
/// <param name="From">The producer's path.</param>
/// <param name="To">The consumer's path.</param>
/// <param name="OutputChannels">How many of the producer's output channels reach it.</param>
/// <param name="InputChannels">How many of the consumer's input channels are reached (12,544 where 256 channels are flattened over 7 × 7).</param>
/// <param name="IsMixed">Whether some element reaches several input channels at once.</param>
public sealed record GraphEdge(string From, string To, int OutputChannels, int InputChannels, bool IsMixed);
