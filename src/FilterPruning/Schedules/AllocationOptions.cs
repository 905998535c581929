using FilterPruning.Planning;

namespace FilterPruning.Schedules;

/// <summary>How <see cref="ReconstructionAllocation"/> spends a budget. Immutable.</summary>
public sealed record AllocationOptions
{
    /// <summary>
    /// A cost of your own, for instance a latency model: gets for every layer, in data order, what it would lose, and gives any number of 0 or more that falls as channels go. A
    /// <see cref="PruningOptions.Target"/> (its share) or <see cref="PruningOptions.Ratio"/> then says which part of the dense model's cost remains or goes. It is called some thousands of times. Default null: the target's
    /// own measure.
    /// </summary>
    public Func<IReadOnlyList<LayerPlan>, double>? Cost { get; init; }

    /// <summary>
    /// Whether, once the widths are known, removed channels are exchanged for kept ones as long as that loses less: the best set of k channels need not be part of the best set of k + 1. At most this many
    /// for each role; 0 or more. Default 64.
    /// </summary>
    public int Exchanges { get; init; } = 64;

    /// <summary>Told the share of the work that is done, 0 … 1; may be null.</summary>
    public IProgress<double>? Progress { get; init; }

    /// <summary>Throws one exception that lists everything that is wrong.</summary>
    internal void Validate()
    {
        if (Exchanges < 0)
            LayerPattern.ThrowAll([$"{nameof(Exchanges)} is {Exchanges}; allowed is 0 or more. Use 0 to keep the order of the criterion."]);
    }
}
