using FilterPruning.Graph;
using FilterPruning.Surgery;

namespace FilterPruning.Proof;

/// <summary>The last resort for a layer that no run reaches: one call of the layer alone, on random input of the size it was traced with.</summary>
internal sealed class LayerAlone : IDisposable
{
    private readonly int _layer;
    private readonly LayerCut _cut;
    private Tensor? _input;
    private Tensor? _expected;

    private LayerAlone(int layer, LayerCut cut)
    {
        _layer = layer;
        _cut = cut;
    }

    public string Name => _cut.Layer.Name;

    /// <summary>Calls the masked layer and keeps input and output, both restricted to the channels that stay.</summary>
    public static LayerAlone Record(int layer, LayerCut cut, int seed)
    {
        using var scope = NewDisposeScope();
        var alone = new LayerAlone(layer, cut);
        if (cut.Layer.Module is not nn.Module<Tensor, Tensor> module || cut.Tensors.Count == 0 || cut.Layer.Sample is null)
            return alone;
        using var generator = new Generator((ulong)seed, CPU);
        var like = cut.Tensors[0].Tensor;
        var input = randn([.. cut.Layer.Sample.InputShape], dtype: float32, device: CPU, generator: generator).to(like.dtype).to(like.device);
        var output = module.call(cut.IsMaskedByInputs ? cut.MaskInputs([input])[0]! : input);
        alone._input = Kept(input, cut.Layer.Rule.InputAxis(module, input), cut.Kept(ChannelAxis.Input));
        alone._expected = cut.Layer.Rule.OutputsOn(module, [input], cut.Kept(ChannelAxis.Input), cut.Kept(ChannelAxis.Output)) is { } narrow
            ? narrow[0].DetachFromDisposeScope() : Kept(output, cut.Layer.Rule.OutputAxis(module, output), cut.Kept(ChannelAxis.Output));
        return alone;
    }

    /// <summary>Calls the pruned layer and books the difference.</summary>
    public void Follow(ProofLedger ledger)
    {
        if (_input is null || _expected is null)
            return;
        using var scope = NewDisposeScope();
        ledger.Book(_layer, ((nn.Module<Tensor, Tensor>)_cut.Layer.Module).call(_input), _expected);
    }

    public void Dispose()
    {
        _input?.Dispose();
        _expected?.Dispose();
    }

    private static Tensor Kept(Tensor value, int axis, int[] kept) =>
        value.index_select(axis, tensor([.. kept.Select(channel => (long)channel)], device: value.device)).DetachFromDisposeScope();
}
