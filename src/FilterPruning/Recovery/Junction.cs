using FilterPruning.Graph;

namespace FilterPruning.Recovery;

/// <summary>
/// What becomes of a layer's output y before the next layer reads it, as far as it was seen: u = slope · y + offset + shortcut, and of that the positive part if it is rectified. Slope and
/// offset are those of a norm behind the layer; the shortcut is a residual sum's other part.
/// </summary>
/// <param name="Slope">float64 <c>[outputs]</c>; zero where the channel never moved, so that nothing is known of it.</param>
/// <param name="Offset">float64 <c>[outputs]</c>.</param>
/// <param name="Shortcut">Where the other part of the sum passes by, before the layer is reached; null without one.</param>
/// <param name="Rectified">Whether only the positive part is read.</param>
internal sealed record Junction(Tensor Slope, Tensor Offset, Tap? Shortcut, bool Rectified) : IDisposable
{
    public void Dispose()
    {
        Slope.Dispose();
        Offset.Dispose();
    }
}

/// <summary>A tensor that passes by: what a layer reads, or what it answers.</summary>
internal readonly record struct Tap(TracedLayer Layer, bool AtInput)
{
    public int[] Groups => AtInput ? Layer.InputGroups : Layer.OutputGroups;

    public int Axis(Tensor value) => AtInput ? Layer.Rule.InputAxis(Layer.Module, value) : Layer.Rule.OutputAxis(Layer.Module, value);

    public void Watch(HookSet hooks, Action<Tensor> look)
    {
        if (AtInput)
            hooks.Before(Layer, look);
        else
            hooks.After(Layer, look);
    }
}
