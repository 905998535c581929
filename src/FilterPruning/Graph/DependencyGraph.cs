using FilterPruning.Tracing;

namespace FilterPruning.Graph;

/// <summary>Which channels of a model must go together, which must stay, and why.</summary>
public sealed partial class DependencyGraph
{
    private readonly Func<object?> _forward;
    private IReadOnlyList<ChannelRole>? _roles;

    internal DependencyGraph(nn.Module model, Func<object?> forward, IReadOnlyList<TracedLayer> layers, IReadOnlyList<ChannelGroup> groups)
    {
        Model = model;
        _forward = forward;
        Layers = layers;
        Groups = groups;
    }

    /// <summary>The layers seen in the forward, in the order of their first call: the data order.</summary>
    public IReadOnlyList<TracedLayer> Layers { get; }

    /// <summary>Every channel group, pinned ones included. Exactly those without a pin may be removed.</summary>
    public IReadOnlyList<ChannelGroup> Groups { get; }

    /// <summary>Which layer feeds which, in data order.</summary>
    public IReadOnlyList<GraphEdge> Edges { get; internal init; } = [];

    /// <summary>The groups by signature: what a person sees as "these 256 channels". In data order, pinned ones included.</summary>
    public IReadOnlyList<ChannelRole> Roles => _roles ??= ChannelRole.Of(Groups);

    /// <summary>
    /// Layers that no forward called, in training mode neither; they are left as they are. Where the model refused to run in training mode (a detector wants targets), a layer here may
    /// still belong to training, and what it reads may have been removed: keep that by <c>Ignore</c>.
    /// </summary>
    public IReadOnlyList<string> UncalledLayers { get; internal init; } = [];

    /// <summary>Ties that rest on a rehearsal rather than on what was seen.</summary>
    internal IReadOnlyList<(ChannelMember First, ChannelMember Second)> DecidedTies { get; init; } = [];

    /// <summary>The traced model; owned by the caller.</summary>
    internal nn.Module Model { get; }

    /// <summary>Traces a model that takes one tensor.</summary>
    /// <param name="model">The model. It is left exactly as found: weights, buffers, training flags, gradients and torch's random state.</param>
    /// <param name="example">An input of the shape, dtype and device the model is used with. It is kept for later forwards and stays the caller's.</param>
    /// <param name="options">How to trace, or null for the defaults.</param>
    /// <exception cref="PruningException">The model has no layer with a rule, its forward throws, or it calls layers through <c>forward</c> instead of <c>call</c>.</exception>
    public static DependencyGraph Trace(nn.Module<Tensor, Tensor> model, Tensor example, TraceOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(example);
        options ??= new TraceOptions();
        options.Validate();
        return Tracer.Trace(model, input => model.call(input!), example, options);
    }

    /// <summary>Traces any model by a function that runs it.</summary>
    /// <param name="model">The model. It is left exactly as found: weights, buffers, training flags, gradients and torch's random state.</param>
    /// <param name="forward">
    /// Runs the model once on inputs of its own choice and returns everything the model answers: a tensor, a collection, a dictionary, a tuple, or an object with
    /// such public members. Channels that reach a returned tensor stay. The function is kept for later forwards.
    /// </param>
    /// <param name="options">How to trace, or null for the defaults.</param>
    /// <exception cref="PruningException">The model has no layer with a rule, its forward throws, or it calls layers through <c>forward</c> instead of <c>call</c>.</exception>
    public static DependencyGraph Trace<TModel>(TModel model, Func<TModel, object?> forward, TraceOptions? options = null)
        where TModel : nn.Module
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(forward);
        options ??= new TraceOptions();
        options.Validate();
        return Tracer.Trace(model, _ => forward(model), null, options);
    }

    /// <summary>Runs the forward the graph was traced with; the result is the caller's.</summary>
    internal object? RunForward() => _forward();
}
