using FilterPruning.Graph;

namespace FilterPruning.Recovery;

/// <summary>Runs inputs through a model and looks at what goes into layers: once through the whole of it, then layer after layer while the layers change.</summary>
internal sealed class ForwardPasses(IReadOnlyList<Action> forwards)
{
    private readonly Dictionary<(TracedLayer Layer, int Input), int> _calls = [];
    private readonly List<TracedLayer> _order = [];

    /// <summary>The layers of <see cref="Whole"/> that were called, in the order of their first calls.</summary>
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

    /// <summary>
    /// Runs every input again and takes the layers of <see cref="Order"/> one after the other: first every call of the layer is looked at, of all inputs, then the layer is settled, and what comes after
    /// it sees it as it then is. The forwards wait for each other, so that this costs one forward for each input, and another part of one for each layer that is called more than once.
    /// </summary>
    /// <param name="look">Gets each call's layer and first input.</param>
    /// <param name="settle">Changes the layer, or what stands before it.</param>
    /// <param name="cancellation">Cancels between layers and inputs.</param>
    public void March(Action<TracedLayer, Tensor> look, Action<TracedLayer> settle, CancellationToken cancellation)
    {
        using var lockstep = new LockstepForwards(forwards);
        using var hooks = new HookSet();
        var marching = true;
        foreach (var layer in _order.Where(IsCalledOnce))
        {
            hooks.Before(layer, x =>
            {
                if (!marching)
                    return;
                look(layer, x);
                lockstep.Wait(layer);
            });
        }

        for (var place = 0; place < _order.Count; place++)
        {
            if (place == 0 && IsCalledOnce(_order[0]))
                lockstep.Start(_ => true, cancellation);
            var layer = _order[place];
            if (!IsCalledOnce(layer))
            {
                marching = false;
                UpTo(layer, look, cancellation);
                marching = true;
            }

            cancellation.ThrowIfCancellationRequested();
            settle(layer);
            // Nobody goes on before the layers that are called several times, up to the next that all can wait at, are settled too.
            if (place + 1 == _order.Count || !IsCalledOnce(_order[place + 1]))
                continue;
            if (_order.Take(place + 1).LastOrDefault(IsCalledOnce) is { } waiting)
                lockstep.Release(waiting, cancellation);
            else
                lockstep.Start(_ => true, cancellation);
        }
    }

    private bool IsCalledOnce(TracedLayer layer) => Enumerable.Range(0, forwards.Count).All(input => _calls.GetValueOrDefault((layer, input)) <= 1);

    // Every forward is left as soon as the layer has been called as often as in the whole pass.
    private void UpTo(TracedLayer layer, Action<TracedLayer, Tensor> look, CancellationToken cancellation)
    {
        for (var input = 0; input < forwards.Count; input++)
        {
            cancellation.ThrowIfCancellationRequested();
            var pending = _calls.GetValueOrDefault((layer, input));
            if (pending == 0)
                continue;
            using var scope = NewDisposeScope();
            using var hooks = new HookSet();
            hooks.Before(layer, x =>
            {
                look(layer, x);
                if (--pending == 0)
                    throw new ForwardLeftException();
            });
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
