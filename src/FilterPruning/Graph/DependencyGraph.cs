namespace FilterPruning.Graph;

/// <summary>Which channels of a model must go together, which must stay, and why.</summary>
public sealed class DependencyGraph
{
    private readonly Func<object?> _forward;

    internal DependencyGraph(nn.Module model, Func<object?> forward, IReadOnlyList<TracedLayer> layers, IReadOnlyList<ChannelGroup> groups)
    {
        Model = model;
        _forward = forward;
        Layers = layers;
        Groups = groups;
    }

    /// <summary>The layers seen in the forward, in the order of their first call: the data order.</summary>
    public IReadOnlyList<TracedLayer> Layers { get; }

    /// <summary>Every channel group, pinned ones included.</summary>
    public IReadOnlyList<ChannelGroup> Groups { get; }

    /// <summary>The traced model; owned by the caller.</summary>
    internal nn.Module Model { get; }

    /// <summary>Runs the forward the graph was traced with; the result is the caller's.</summary>
    internal object? RunForward() => _forward();
}
