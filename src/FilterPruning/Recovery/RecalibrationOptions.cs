namespace FilterPruning.Recovery;

/// <summary>Which norms are recalibrated.</summary>
public sealed record RecalibrationOptions
{
    /// <summary>
    /// Whether <c>BatchNorm</c>s whose parameters are all frozen (<c>requires_grad</c> false) are recalibrated too. Default false: frozen norms are constants of the model. Norms that keep their
    /// statistics without being a <c>BatchNorm</c> (a detector's <c>FrozenBatchNorm2d</c>) are never touched.
    /// </summary>
    public bool IncludeFrozen { get; init; }

    /// <summary>Told after every norm; may be null.</summary>
    public IProgress<RepairProgress>? Progress { get; init; }
}
