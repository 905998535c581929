using FilterPruning.Layers;

namespace FilterPruning.Graph;

/// <summary>How a model is traced. The defaults suit every model we know; the same options and model give the same graph.</summary>
public sealed record TraceOptions
{
    /// <summary>Rules for layer types of your own; they are asked before all others. Default: none.</summary>
    public IReadOnlyList<LayerRule> Rules { get; init; } = [];

    /// <summary>Seed of the probing values. Any value; default 0.</summary>
    public int Seed { get; init; }

    /// <summary>
    /// The most forwards to probe, from 1 to 10; default 5. Tracing stops after two when every channel of every layer call has shown what it
    /// feeds. What is still dark after the last is pinned as <see cref="PinReason.NotObserved"/>.
    /// </summary>
    public int MaximumTrials { get; init; } = 5;

    /// <summary>
    /// Ties that were decided before, for a model that was just cut: nothing is rehearsed and no mixture is resolved anew. Null to find everything out.
    /// </summary>
    internal IReadOnlyList<(ChannelMember First, ChannelMember Second)>? KnownTies { get; init; }

    /// <summary>Called before each forward that probes, with their number so far and the most there may be, and once at the end. What it throws ends the trace. Null for nothing.</summary>
    internal Action<int, int>? OnTrial { get; init; }

    internal void Validate()
    {
        if (MaximumTrials is < 1 or > 10)
            throw new ArgumentOutOfRangeException(nameof(MaximumTrials), MaximumTrials, $"MaximumTrials is {MaximumTrials}; it must lie between 1 and 10.");
        if (Rules is null || Rules.Any(rule => rule is null))
            throw new ArgumentException("Rules is null or holds a null; give a list of layer rules, or leave it empty.", nameof(Rules));
    }
}
