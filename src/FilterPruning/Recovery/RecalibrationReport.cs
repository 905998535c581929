namespace FilterPruning.Recovery;

/// <summary>What a recalibration did to one norm.</summary>
/// <param name="Norm">The norm's path.</param>
/// <param name="Positions">Values each channel's statistics were computed from; 0 when no input reached the norm, which is then as it was.</param>
/// <param name="MeanShift">How far the running mean moved: root mean square over the channels, in standard deviations of the old statistics.</param>
/// <param name="VarianceRatio">The geometric mean over the channels of new over old variance; 1 when nothing changed.</param>
public sealed record NormRecalibration(string Norm, long Positions, double MeanShift, double VarianceRatio);

/// <summary>What a recalibration did.</summary>
/// <param name="Norms">One entry for each norm, in the order in which the model calls them.</param>
/// <param name="Inputs">The number of inputs.</param>
public sealed record RecalibrationReport(IReadOnlyList<NormRecalibration> Norms, int Inputs);
