using FilterPruning.Criteria;

namespace FilterPruning.Planning;

/// <summary>What to remove from a model. Immutable; the defaults remove nothing.</summary>
public sealed record PruningOptions
{
    /// <summary>Share of the channel groups to remove: at least 0 and below 1. Default 0.</summary>
    public double Ratio { get; init; }

    /// <summary>Whether each role loses its share or all groups are ranked together. Default <see cref="PruningScope.Local"/>.</summary>
    public PruningScope Scope { get; init; } = PruningScope.Local;

    /// <summary>How important a filter is. Default <see cref="L1Criterion"/>.</summary>
    public IPruningCriterion Criterion { get; init; } = new L1Criterion();

    /// <summary>How scores of different layers are made comparable. Default <see cref="ScoreNormalization.None"/>.</summary>
    public ScoreNormalization Normalization { get; init; } = ScoreNormalization.None;

    /// <summary>How the scores of a group's filters become one score. Default <see cref="GroupReduction.Mean"/>.</summary>
    public GroupReduction Reduction { get; init; } = GroupReduction.Mean;

    /// <summary>
    /// Widths are rounded to the nearest multiple of this, never to 0 and never above the present width. At least 1, which is the default.
    /// Kernels of many processors run fastest at multiples of 8 or 16.
    /// </summary>
    public int ChannelMultiple { get; init; } = 1;

    /// <summary>The fewest output channels a layer may be left with; a narrower layer stays as it is. At least 1, which is the default.</summary>
    public int MinimumWidth { get; init; } = 1;

    /// <summary>
    /// Layers whose output channels stay. A pattern is a layer's name or that of a module around it; <c>*</c> stands for any run of characters,
    /// dots included, <c>?</c> for one. A pattern that matches no layer is an error. Default none.
    /// </summary>
    public IReadOnlyList<string> Ignore { get; init; } = [];

    /// <summary>
    /// Whether <see cref="Pruner"/> traces the model again after the cut and compares its ties with the expected ones. Default false: the
    /// proof of equivalence covers the same ground for the example at hand, and tracing a large model takes seconds.
    /// </summary>
    public bool VerifyTrace { get; init; }

    /// <summary>
    /// Optimizers that train the model and keep momenta or other running averages; <see cref="Pruner"/> cuts these with the parameters. Default none. See
    /// <see cref="Surgery.SurgeryOptions.Optimizers"/>.
    /// </summary>
    public IReadOnlyList<optim.Optimizer> Optimizers { get; init; } = [];

    /// <summary>Throws one exception that lists everything that is wrong.</summary>
    internal void Validate()
    {
        var errors = new List<string>();
        if (!(Ratio >= 0 && Ratio < 1))
            errors.Add($"{nameof(Ratio)} is {Ratio}; allowed is 0 <= ratio < 1. Give the share of the channels to remove, for instance 0.4.");
        if (!Enum.IsDefined(Scope))
            errors.Add($"{nameof(Scope)} is {(int)Scope}; allowed are {Names<PruningScope>()}. Choose one of them.");
        if (Criterion is null)
            errors.Add($"{nameof(Criterion)} is null; allowed is any criterion. Leave it out to use {nameof(L1Criterion)}.");
        if (!Enum.IsDefined(Normalization))
            errors.Add($"{nameof(Normalization)} is {(int)Normalization}; allowed are {Names<ScoreNormalization>()}. Choose one of them.");
        if (!Enum.IsDefined(Reduction))
            errors.Add($"{nameof(Reduction)} is {(int)Reduction}; allowed are {Names<GroupReduction>()}. Choose one of them.");
        if (ChannelMultiple < 1)
            errors.Add($"{nameof(ChannelMultiple)} is {ChannelMultiple}; allowed is 1 or more. Use 1 for widths of any size.");
        if (MinimumWidth < 1)
            errors.Add($"{nameof(MinimumWidth)} is {MinimumWidth}; allowed is 1 or more. A layer without channels cannot run.");
        if (Ignore is null)
            errors.Add($"{nameof(Ignore)} is null; allowed is a list of patterns. Leave it out to ignore nothing.");
        else if (Ignore.Any(string.IsNullOrWhiteSpace))
            errors.Add($"{nameof(Ignore)} holds an empty pattern; allowed are names of layers with * and ?. Remove it.");
        LayerPattern.ThrowAll(errors);
    }

    private static string Names<T>()
        where T : struct, Enum
        => string.Join(", ", Enum.GetNames<T>());
}
