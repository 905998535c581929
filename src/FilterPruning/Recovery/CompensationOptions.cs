namespace FilterPruning.Recovery;

/// <summary>How constants take over the means of removed inputs.</summary>
public sealed record CompensationOptions
{
    /// <summary>
    /// Whether layers are taken in data order, each on what the already compensated layers before it deliver, so that every layer's mean output comes out as in the dense model. Default true. Otherwise
    /// the means of the dense model are used for all layers at once: one forward for each input, which is exact for each layer alone.
    /// </summary>
    public bool InOrder { get; init; } = true;

    /// <summary>Match variances too.</summary>
    public bool MatchVariance { get; init; }

    /// <summary>Told after every layer; may be null.</summary>
    public IProgress<RepairProgress>? Progress { get; init; }
}
