namespace FilterPruning.Recovery;

/// <summary>How <see cref="BiasCompensation"/> and <see cref="MomentMatching"/> work.</summary>
public sealed record CompensationOptions
{
    /// <summary>Told after every layer; may be null.</summary>
    public IProgress<RepairProgress>? Progress { get; init; }
}
