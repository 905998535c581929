using FilterPruning.Graph;

namespace FilterPruning.Recovery;

/// <summary>Runs inputs through a model again and again and looks at what goes into layers; a later pass is left as soon as everything that is wanted of an input has been seen.</summary>
internal sealed class ForwardPasses(IReadOnlyList<Action> forwards)
{
    private readonly Dictionary<(TracedLayer Layer, int Input), int> _calls = [];
    private readonly List<TracedLayer> _order = [];

    /// <summary>The layers of <see cref="Whole"/> in the order in which they were first called.</summary>
    public IReadOnlyList<TracedLayer> Order => _order;

    /// <summary>The number of inputs.</summary>
    public int Inputs => forwards.Count;

    /// <summary>Runs every input through the whole model and learns which layers are called, in which order and how often.</summary>
    /// <param name="layers">The layers to look at.</param>
    /// <param name="look">Gets each call's layer, first input and first output; may be null.</param>
    /// <param name="alsoWatch">Puts further hooks on; may be null.</param>
    /// <param name="cancellation">Cancels between inputs.</param>
    public void Whole(IReadOnlyList<TracedLayer> layers, Action<TracedLayer, Tensor, Tensor>? look, Action<HookSet>? alsoWatch, CancellationToken cancellation)
    {
        for (var input = 0; input < forwards.Count; input++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            using var hooks = new HookSet();
            alsoWatch?.Invoke(hooks);
            foreach (var layer in layers)
            {
                Tensor? given = null;
                hooks.Before(layer, x => given = x);
                hooks.After(layer, y =>
                {
                    var calls = _calls.GetValueOrDefault((layer, input));
                    if (calls == 0 && !_order.Contains(layer))
                        _order.Add(layer);
                    _calls[(layer, input)] = calls + 1;
                    look?.Invoke(layer, given!, y);
                });
            }

            forwards[input]();
        }
    }

    /// <summary>Runs every input until each of the layers has been called as often as in the whole pass.</summary>
    /// <param name="layers">The layers to look at.</param>
    /// <param name="look">Gets each call's layer and first input.</param>
    /// <param name="cancellation">Cancels between inputs.</param>
    public void UpTo(IReadOnlyList<TracedLayer> layers, Action<TracedLayer, Tensor> look, CancellationToken cancellation)
    {
        for (var input = 0; input < forwards.Count; input++)
        {
            cancellation.ThrowIfCancellationRequested();
            var pending = layers.Sum(layer => _calls.GetValueOrDefault((layer, input)));
            if (pending == 0)
                continue;
            using var scope = NewDisposeScope();
            using var hooks = new HookSet();
            foreach (var layer in layers)
            {
                hooks.Before(layer, x =>
                {
                    look(layer, x);
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
                // Everything wanted of this input was seen.
            }
        }
    }

    private sealed class ForwardLeftException : Exception;
}
