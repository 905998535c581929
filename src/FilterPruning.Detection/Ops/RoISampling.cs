namespace FilterPruning.Detection.Ops;

/// <summary>How one call of RoIAlign samples: the size of its output and torchvision's three switches.</summary>
/// <param name="OutputHeight">Bins per column, at least 1.</param>
/// <param name="OutputWidth">Bins per row, at least 1.</param>
/// <param name="SamplingRatio">Samples per bin and axis; 0 or less chooses ⌈RoI size / output size⌉ for each RoI.</param>
/// <param name="Aligned">Whether pixel centres lie at half-integers (torchvision's <c>aligned</c>).</param>
internal readonly record struct RoISampling(int OutputHeight, int OutputWidth, int SamplingRatio, bool Aligned)
{
    public int Bins => OutputHeight * OutputWidth;
}
