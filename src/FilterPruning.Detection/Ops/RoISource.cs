namespace FilterPruning.Detection.Ops;

/// <summary>Where a feature map lies in memory.</summary>
/// <param name="Address">Its first element.</param>
/// <param name="ChannelsLast">Whether the order is <c>[N, H, W, C]</c>; else it is <c>[N, C, H, W]</c>.</param>
internal readonly record struct RoISource(nint Address, bool ChannelsLast);
