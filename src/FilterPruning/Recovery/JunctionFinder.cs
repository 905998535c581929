using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Recovery;

/// <summary>
/// Finds by looking at one forward what is added to a layer's output and whether the sum is rectified: of all tensors that hold the same channels at the same places, are there two that
/// add up to what a later layer reads, exactly? Nothing is assumed about the code between the layers.
/// </summary>
internal sealed class JunctionFinder : IDisposable
{
    private const int Places = 256;
    private const int MostReaders = 3;
    private const int MostShortcuts = 12;
    private const double Tolerance = 1e-5;

    private readonly List<(Tap Tap, Tensor Rows)> _seen = [];
    private readonly Dictionary<Tap, int> _calls = [];

    /// <summary>Watches a forward, which the caller runs before asking.</summary>
    public void Attach(HookSet hooks, IEnumerable<TracedLayer> layers)
    {
        foreach (var layer in layers.Where(layer => layer.InputChannels > 0 && layer.OutputChannels > 0 && layer.Rule is not BareTensorRule))
        {
            foreach (var tap in new[] { new Tap(layer, true), new Tap(layer, false) })
                tap.Watch(hooks, value => Look(tap, value));
        }
    }

    /// <summary>The junction behind a layer; the caller's. Null when the layer is called several times, or what its norm does is not the same for all places.</summary>
    public Junction? Behind(TracedLayer layer, TracedLayer? norm)
    {
        var own = new Tap(layer, false);
        var end = norm is null ? own : new Tap(norm, false);
        if (Find(own) is not { } y || Find(end) is not { } e || Find(new Tap(layer, true)) is not { } entry)
            return null;
        using var scope = NewDisposeScope();
        if (Affine(_seen[y].Rows, _seen[e].Rows) is not { } affine)
            return null;
        var (shortcut, rectified) = Sum(end, e, entry);
        return new Junction(affine.Slope.MoveToOuterDisposeScope().DetachFromDisposeScope(), affine.Offset.MoveToOuterDisposeScope().DetachFromDisposeScope(), shortcut, rectified);
    }

    public void Dispose()
    {
        foreach (var (_, rows) in _seen)
            rows.Dispose();
        _seen.Clear();
    }

    // The same places of all tensors of one size.
    private void Look(Tap tap, Tensor value)
    {
        _calls[tap] = _calls.GetValueOrDefault(tap) + 1;
        if (_calls[tap] > 1 || !value.is_floating_point())
            return;
        using var scope = NewDisposeScope();
        var axis = tap.Axis(value);
        var rows = value.detach().movedim([axis], [-1]).reshape(-1, value.shape[axis]);
        if (rows.shape[0] > Places)
        {
            var step = rows.shape[0] / (double)Places;
            rows = rows.index_select(0, tensor(Enumerable.Range(0, Places).Select(i => (long)(i * step)).ToArray(), int64, device: rows.device));
        }

        _seen.Add((tap, rows.to(float64).cpu().clone().DetachFromDisposeScope()));
    }

    private int? Find(Tap tap)
    {
        var at = _seen.FindIndex(seen => seen.Tap == tap);
        return at >= 0 && _calls[tap] == 1 ? at : null;
    }

    // e = slope · y + offset by channel, from the places where y is least and largest; null if other places say otherwise.
    private static (Tensor Slope, Tensor Offset)? Affine(Tensor y, Tensor e)
    {
        if (y.shape[0] != e.shape[0] || y.shape[1] != e.shape[1] || y.shape[0] == 0)
            return null;
        var low = y.argmin(0).unsqueeze(0);
        var high = y.argmax(0).unsqueeze(0);
        var span = y.gather(0, high) - y.gather(0, low);
        var moves = span > Tolerance * y.abs().max();
        var slope = where(moves, (e.gather(0, high) - e.gather(0, low)) / where(moves, span, ones_like(span)), zeros_like(span));
        var offset = e.gather(0, low) - (slope * y.gather(0, low));
        var error = ((slope * y) + offset - e).abs().max().item<double>();
        return error <= 10 * Tolerance * e.abs().max().item<double>() ? (slope.squeeze(0), offset.squeeze(0)) : null;
    }

    private (Tap? Shortcut, bool Rectified) Sum(Tap end, int e, int entry)
    {
        var output = _seen[e].Rows;
        var groups = end.Groups;
        var readers = Enumerable.Range(e + 1, _seen.Count - e - 1).Where(i => _seen[i].Tap.AtInput && _seen[i].Tap.Layer.Mapping != ChannelMapping.ChannelWise && Fits(i)).Take(MostReaders);
        var shortcuts = Enumerable.Range(0, entry).Reverse().Where(Fits).Take(MostShortcuts).ToList();
        foreach (var reader in readers)
        {
            var read = _seen[reader].Rows;
            if (Matches(read, output) is { } alone)
                return (null, alone);
            foreach (var shortcut in shortcuts)
            {
                if (Matches(read, output + _seen[shortcut].Rows) is { } rectified)
                    return (_seen[shortcut].Tap, rectified);
            }
        }

        return (null, false);

        bool Fits(int i) => _calls[_seen[i].Tap] == 1 && _seen[i].Rows.shape[0] == output.shape[0] && _seen[i].Tap.Groups.AsSpan().SequenceEqual(groups);
    }

    // Whether what is read is the sum (false) or its positive part (true); null if neither.
    private static bool? Matches(Tensor read, Tensor sum)
    {
        using var scope = NewDisposeScope();
        var limit = Tolerance * sum.abs().max().item<double>();
        if ((read - sum).abs().max().item<double>() <= limit)
            return false;
        return (read - sum.clamp_min(0)).abs().max().item<double>() <= limit ? true : null;
    }
}
