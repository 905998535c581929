using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Proof;

namespace FilterPruning.Recovery;

/// <summary>
/// What the layers of a dense model read and answer at sampled places on a few unlabelled inputs: one forward for each input, after which any number of plans can be repaired, channels
/// chosen and budgets spent without running the dense model again.
/// </summary>
/// <remarks>
/// Valid as long as the model's weights are the ones it was collected from; a model that was repaired or cut has to be brought back first. Holds the rows (see
/// <see cref="CalibrationOptions.Rows"/>) on the CPU, and the inputs until it is disposed; the inputs stay the caller's. Not for use by several threads at once.
/// </remarks>
public sealed class CalibrationSample : IDisposable
{
    private readonly CapturedRows _inputs;
    private readonly CapturedRows _outputs;
    private readonly CapturedRows _beside;
    private readonly Dictionary<TracedLayer, Junction> _junctions = [];
    private readonly Dictionary<(TracedLayer Layer, int Input), int> _calls = [];

    private CalibrationSample(DependencyGraph graph, IReadOnlyList<Func<object?>> answers, CalibrationOptions options)
    {
        Graph = graph;
        Answers = answers;
        Forwards = [.. answers.Select<Func<object?>, Action>(answer => () => answer())];
        Readers = [.. graph.Layers.Where(layer => layer.Mapping != ChannelMapping.ChannelWise && layer.InputChannels > 0 && ConsumerRepair.CanRefit(layer))];
        Sources = new LayerSources(graph);
        Norms = new NormWatch(graph.Layers, Sources);
        Sampler = new RowSampler(options.Seed, options.Rows, answers.Count);
        _inputs = new CapturedRows(Readers);
        _outputs = new CapturedRows(Readers);
        _beside = new CapturedRows(Readers);
    }

    /// <summary>The graph of the model.</summary>
    public DependencyGraph Graph { get; }

    /// <summary>The number of inputs.</summary>
    public int Inputs => Forwards.Count;

    /// <summary>One action for each input that runs the model on it.</summary>
    internal IReadOnlyList<Action> Forwards { get; }

    /// <summary>One function for each input that runs the model on it and gives what it answers; the caller's.</summary>
    internal IReadOnlyList<Func<object?>> Answers { get; }

    /// <summary>The layers that rows were kept for: weighted sums of their inputs, in data order.</summary>
    internal IReadOnlyList<TracedLayer> Readers { get; }

    internal RowSampler Sampler { get; }

    internal NormWatch Norms { get; }

    internal LayerSources Sources { get; }

    /// <summary>Runs a model of one tensor.</summary>
    /// <inheritdoc cref="Collect{TModel, TInput}"/>
    public static CalibrationSample Collect(
        nn.Module<Tensor, Tensor> model, DependencyGraph graph, IEnumerable<Tensor> inputs, CalibrationOptions? options = null, CancellationToken cancellation = default) =>
        Collect(model, graph, inputs, static (module, input) => module.call(input), options, cancellation);

    /// <summary>Runs the dense model once on each input, in evaluation mode and without gradients, and keeps rows.</summary>
    /// <param name="model">The traced model; left as it was.</param>
    /// <param name="graph">Its graph.</param>
    /// <param name="inputs">Unlabelled inputs, at least one, each a batch as the model takes it; not disposed, and needed as long as the sample is used for repairs.</param>
    /// <param name="forward">Runs the model on one input; called again for repairs, then on other threads of which one runs at a time.</param>
    /// <param name="options">Options; null for the defaults.</param>
    /// <param name="cancellation">Cancels between inputs.</param>
    /// <exception cref="ArgumentException">There are no inputs, or the graph is of another model.</exception>
    /// <exception cref="PruningException">The graph is stale.</exception>
    public static CalibrationSample Collect<TModel, TInput>(
        TModel model,
        DependencyGraph graph,
        IEnumerable<TInput> inputs,
        Func<TModel, TInput, object?> forward,
        CalibrationOptions? options = null,
        CancellationToken cancellation = default)
        where TModel : nn.Module
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(forward);
        options ??= new CalibrationOptions();
        options.Validate();
        RepairChecks.SameModel(model, graph);

        Func<object?>[] answers = [.. inputs.Select<TInput, Func<object?>>(input => () => forward(model, input))];
        if (answers.Length == 0)
            throw new ArgumentException("There are no inputs to learn from; give at least one.", nameof(inputs));
        Planning.GraphChecks.ThrowIfStale(graph);

        var sample = new CalibrationSample(graph, answers, options);
        try
        {
            sample.Run(options.Progress, cancellation);
            return sample;
        }
        catch
        {
            sample.Dispose();
            throw;
        }
    }

    /// <summary>Frees the rows.</summary>
    public void Dispose()
    {
        _inputs.Dispose();
        _outputs.Dispose();
        _beside.Dispose();
        foreach (var junction in _junctions.Values)
            junction.Dispose();
        _junctions.Clear();
    }

    /// <summary>What a layer read, float32 <c>[rows, input channels]</c>, one tensor for each call; owned by the sample. Empty for a layer that was not reached or that no rows are kept for.</summary>
    internal IReadOnlyList<Tensor> RowsOf(TracedLayer layer) => _inputs.Of(layer);

    /// <summary>What a layer answered, float32 <c>[rows, output channels]</c>, one tensor for each call; empty for layers whose kernel's view cannot be gathered.</summary>
    internal IReadOnlyList<Tensor> OutputsOf(TracedLayer layer) => _outputs.Of(layer);

    /// <summary>The other part of the residual sum behind a layer at the places of <see cref="OutputsOf"/>; empty without one.</summary>
    internal IReadOnlyList<Tensor> BesideOf(TracedLayer layer) => _beside.Of(layer);

    /// <summary>What becomes of a layer's output; null where nothing is known.</summary>
    internal Junction? JunctionOf(TracedLayer layer) => _junctions.GetValueOrDefault(layer);

    /// <summary>How often a layer is called on an input.</summary>
    internal int CallsOf(TracedLayer layer, int input) => _calls.GetValueOrDefault((layer, input));

    private void Run(IProgress<double>? progress, CancellationToken cancellation)
    {
        using var quiet = new QuietRun(Graph.Model, "a calibration");
        FindJunctions();
        var input = 0;
        var counts = new Dictionary<TracedLayer, int>();
        using var hooks = new HookSet();
        Norms.Attach(hooks);
        foreach (var (layer, junction) in _junctions)
            junction.Shortcut?.Watch(hooks, x => _beside.Add(layer, Sampler.DrawBeside(layer, junction.Shortcut.Value, x, input)));
        foreach (var layer in Readers)
        {
            hooks.Before(layer, x => _inputs.Add(layer, Sampler.Draw(layer, x, input, counts[layer])));
            hooks.After(layer, y =>
            {
                if (RowSampler.CanGather(layer))
                    _outputs.Add(layer, Sampler.DrawOutputs(layer, y, input, counts[layer]));
                counts[layer]++;
            });
        }

        for (; input < Forwards.Count; input++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            foreach (var layer in Readers)
                counts[layer] = 0;
            Forwards[input]();
            foreach (var layer in Readers)
                _calls[(layer, input)] = counts[layer];
            progress?.Report((input + 1.0) / Forwards.Count);
        }
    }

    // Looks at one forward on the first input; what norms belong to which layer is asked of that forward too.
    private void FindJunctions()
    {
        using var finder = new JunctionFinder();
        var norms = new NormWatch(Graph.Layers, Sources);
        using (var hooks = new HookSet())
        using (NewDisposeScope())
        {
            norms.Attach(hooks);
            finder.Attach(hooks, Graph.Layers);
            Forwards[0]();
        }

        foreach (var layer in Readers.Where(RowSampler.CanGather))
        {
            if (finder.Behind(layer, norms.After(layer)) is { } junction)
                _junctions[layer] = junction;
        }
    }
}
