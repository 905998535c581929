using FilterPruning.Graph;

namespace FilterPruning.Recovery;

/// <summary>Runs the calibration inputs through the model and keeps sampled rows of what goes into chosen layers.</summary>
internal sealed class ForwardCapture(DependencyGraph graph, IReadOnlyList<Action> forwards, RowSampler sampler)
{
    private readonly Dictionary<(TracedLayer Layer, int Input), int> _calls = [];

    /// <summary>The traced model.</summary>
    public nn.Module Model => graph.Model;

    /// <summary>The layers in data order.</summary>
    public IReadOnlyList<TracedLayer> Layers => graph.Layers;

    /// <summary>Rows from whole forwards of the dense model; remembers how often each layer is called, and which norm follows it. The caller's.</summary>
    public CapturedRows Dense(IReadOnlyList<TracedLayer> layers, NormWatch norms, CancellationToken cancellation) =>
        Capture(layers, (rows, input) =>
        {
            var counts = layers.ToDictionary(layer => layer, _ => 0);
            using (var hooks = new HookSet())
            {
                norms.Attach(hooks);
                foreach (var layer in layers)
                    hooks.Before(layer, x => rows.Add(layer, sampler.Draw(layer, x, input, counts[layer]++)));
                forwards[input]();
            }

            foreach (var layer in layers)
                _calls[(layer, input)] = counts[layer];
        }, cancellation);

    /// <summary>
    /// Rows of the same places from the model as it is now; each forward is left as soon as the last of the layers has been reached. The caller's.
    /// </summary>
    /// <exception cref="PruningException">The model now calls a layer less often than the dense model did.</exception>
    public CapturedRows Again(IReadOnlyList<TracedLayer> layers, CancellationToken cancellation) =>
        Capture(layers, (rows, input) =>
        {
            var counts = layers.ToDictionary(layer => layer, _ => 0);
            var pending = layers.Sum(layer => _calls[(layer, input)]);
            if (pending == 0)
                return;
            using var hooks = new HookSet();
            foreach (var layer in layers)
            {
                hooks.Before(layer, x =>
                {
                    rows.Add(layer, sampler.Draw(layer, x, input, counts[layer]++));
                    if (--pending == 0)
                        throw new ForwardLeftException();
                });
            }

            try
            {
                forwards[input]();
            }
            catch (ForwardLeftException)
            {
                return;
            }

            throw RowsDiffer(layers.First(layer => counts[layer] < _calls[(layer, input)]));
        }, cancellation);

    /// <summary>The error for a forward that does not go the same way in both models.</summary>
    public static PruningException RowsDiffer(TracedLayer layer) => new(
        $"Repair needs the same rows from the dense and from the pruned model, but '{layer.Name}' saw others. "
        + "The forward chooses by value what it works on (regions, tokens); give a forward that repeats the dense model's choices "
        + "(for Mask R-CNN: CalibrationForward).");

    private CapturedRows Capture(IReadOnlyList<TracedLayer> layers, Action<CapturedRows, int> runOne, CancellationToken cancellation)
    {
        var rows = new CapturedRows(layers);
        try
        {
            for (var input = 0; input < forwards.Count; input++)
            {
                cancellation.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                runOne(rows, input);
            }

            return rows;
        }
        catch
        {
            rows.Dispose();
            throw;
        }
    }

    /// <summary>Leaves a forward from within a hook: what was wanted has been seen.</summary>
    private sealed class ForwardLeftException : Exception;
}
