using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Recovery;

/// <summary>Refits one layer that loses inputs. Holds a copy of what it changes until disposed.</summary>
internal sealed class ConsumerRepair : IDisposable
{
    private const double HeldOutShare = 0.25;

    private readonly IReadOnlyList<ConsumerLayout> _layouts;
    private readonly List<(Tensor Live, Tensor Copy)> _copies = [];
    private readonly ChannelTensor _weight;
    private readonly ChannelTensor? _bias;

    public ConsumerRepair(TracedLayer layer, IReadOnlySet<int> removedInputs, bool patches)
    {
        Layer = layer;
        if (patches)
            PatchUnits = tensor(Enumerable.Range(0, layer.InputChannels).Where(unit => !removedInputs.Contains(unit)).Select(unit => (long)unit).ToArray(), int64).DetachFromDisposeScope();
        _layouts = ConsumerLayout.Of(layer, removedInputs);
        var tensors = layer.Rule.Tensors(layer.Module);
        _weight = tensors.Single(part => part.InputAxis is not null && part.OutputAxis is not null);
        _bias = tensors.FirstOrDefault(part => part is { InputAxis: null, OutputAxis: not null, Role: TensorRole.Weight });
    }

    /// <summary>
    /// Whether a layer is a weighted sum of its input channels, with one weight for all of them: convolutions and linear layers are; what multiplies two inputs or feeds back into itself is not, and
    /// is left as it was cut.
    /// </summary>
    public static bool CanRefit(TracedLayer layer)
    {
        var tensors = layer.Rule.Tensors(layer.Module);
        return tensors.Count(part => part.InputAxis is not null && part.OutputAxis is not null) == 1
            && tensors.All(part => part.Axes.All(axis => axis.Reads == (axis.Side == ChannelAxis.Input) && axis is { Offset: 0, Count: null }));
    }

    /// <summary>The consumer.</summary>
    public TracedLayer Layer { get; }

    /// <summary>The input units that stay, where the fit wants whole patches of them; otherwise null.</summary>
    public Tensor? PatchUnits { get; }

    /// <summary>Fits the weights to rows of the same places of the dense model and of the pruned one.</summary>
    public LayerRepair Fit(CalibrationSample sample, ConsumerRows prunedRows, RepairOptions options)
    {
        using var scope = NewDisposeScope();
        var pruned = prunedRows.Rows;
        IReadOnlyList<Tensor> dense = [.. sample.RowsOf(Layer).Take(pruned.Count)];
        if (!dense.Select(rows => rows.shape[0]).SequenceEqual(pruned.Select(rows => rows.shape[0])))
            throw prunedRows.RowsDiffer();
        // Nothing is known of a layer that no input reached: what it keeps stays as it is.
        if (pruned.Sum(rows => rows.shape[0]) == 0)
            return new LayerRepair(Layer.Name, _layouts.Sum(layout => layout.KeptCount), _layouts.Sum(layout => layout.Channels), 0, 0, 0, 0, HasIntercept: false);
        var norm = sample.Norms.After(Layer);
        var offset = _bias is null && norm is not null ? norm.Rule.InputOffset(norm.Module) : null;
        var target = _bias?.Tensor ?? offset?.Tensor;
        Remember(_weight.Tensor);
        if (target is not null)
            Remember(target);

        var outputs = Layer.OutputChannels / _layouts.Count;
        var totals = new FitTotals();
        var shifts = zeros(Layer.OutputChannels, dtype: float64);
        foreach (var layout in _layouts)
        {
            // [outputs, units, taps] of this block, a view into the live weight
            var block = Canonical(_weight).narrow(0, layout.Block * outputs, outputs);
            var constant = FitBlock(layout, block, dense, pruned, target is not null, options, totals);
            if (constant is null)
                continue;
            shifts.narrow(0, layout.Block * outputs, outputs).copy_(constant * TapsPerOutput());
        }

        if (PatchUnits is not null && prunedRows.Patches.Count > 0)
            FitDirectly(sample, prunedRows, _weight with { Tensor = _copies[0].Copy }, shifts, target is not null, options, totals);
        if (_bias is not null)
            target!.add_(shifts.to(target.dtype));
        else
            target?.sub_(shifts.to(target.dtype));          // norm(y + shift) = norm of y with a mean lower by the shift

        return new LayerRepair(
            Layer.Name, _layouts.Sum(layout => layout.KeptCount), _layouts.Sum(layout => layout.Channels), totals.Before, totals.After, totals.Ridge, totals.Rows, target is not null);
    }

    /// <summary>Puts back what was changed.</summary>
    public void Restore()
    {
        foreach (var (live, copy) in _copies)
            live.copy_(copy);
    }

    public void Dispose()
    {
        PatchUnits?.Dispose();
        foreach (var (_, copy) in _copies)
            copy.Dispose();
        _copies.Clear();
    }

    private void Remember(Tensor live) => _copies.Add((live, live.detach().clone().DetachFromDisposeScope()));

    // [outputs, inputs of a block, taps] as a view
    private static Tensor Canonical(ChannelTensor part)
    {
        var moved = part.Tensor.detach().movedim([part.OutputAxis!.Value, part.InputAxis!.Value], [0, 1]);
        return moved.dim() == 2 ? moved.unsqueeze(-1) : moved.flatten(2);
    }

    // How many taps of the kernel reach one output position: all of a convolution's, 1 / stride² of a transposed convolution's.
    private double TapsPerOutput()
    {
        var call = Layer.Calls[0];
        var work = Layer.Rule.MacsPerPair(Layer.Module, [.. call.InputShape], [.. call.OutputShape]);
        var places = call.OutputShape.Aggregate(1.0, (product, size) => product * size) / Layer.OutputChannels;
        return work / places;
    }

    // Returns the constant per output and tap, float64 [outputs], or null without an intercept.
    private Tensor? FitBlock(
        ConsumerLayout layout, Tensor weight, IReadOnlyList<Tensor> dense, IReadOnlyList<Tensor> pruned, bool intercept, RepairOptions options, FitTotals totals)
    {
        var units = layout.UnitIndex() + layout.FirstUnit;
        var kept = layout.KeptIndex();
        var channels = layout.Channels;
        var taps = weight.shape[2];
        // [channels, outputs × positions × taps]: what a channel does to the output
        var byChannel = weight.index_select(1, layout.UnitIndex()).to(float64)
            .reshape(weight.shape[0], channels, layout.Positions * taps).transpose(0, 1).contiguous();
        var metric = PatchUnits is null ? byChannel.flatten(1).mm(byChannel.flatten(1).t()) : null;

        // Where the direct fit follows, this one is only what it is drawn to, and its errors are not asked for.
        using var rows = new RowFits(layout.KeptCount, channels, intercept, HeldOutShare, options.Ridges.Count > 1, energies: metric is not null);
        rows.AddAll(dense.Count, call => (layout.ByChannel(pruned[call], units).index_select(1, kept), layout.ByChannel(dense[call], units)));
        var ridge = rows.BestRidge(options.Ridges, metric);
        var map = rows.All.Solve(ridge);                                                     // [kept (+ 1), channels]
        if (metric is not null)
            totals.Add(rows.All, map, kept, metric, ridge, intercept);

        var folded = map.narrow(0, 0, layout.KeptCount).mm(byChannel.flatten(1));            // [kept, outputs × positions × taps]
        var refitted = zeros_like(byChannel);
        refitted.index_copy_(0, kept, folded.reshape(layout.KeptCount, weight.shape[0], layout.Positions * taps));
        var asUnits = refitted.transpose(0, 1).reshape(weight.shape[0], channels * layout.Positions, taps);
        weight.index_copy_(1, layout.UnitIndex(), asUnits.to(weight.dtype));

        if (!intercept)
            return null;
        var constants = map.narrow(0, layout.KeptCount, 1);                                  // [1, channels]
        var summed = byChannel.reshape(channels, weight.shape[0], layout.Positions, taps).sum(2).mean([2]);   // [channels, outputs]
        return constants.mm(summed).squeeze(0);
    }

    // What the kernel can do beyond one map of channels for all its taps, and what is wrong with the rest of a residual sum.
    private void FitDirectly(CalibrationSample sample, ConsumerRows pruned, ChannelTensor original, Tensor shifts, bool intercept, RepairOptions options, FitTotals totals)
    {
        var patches = pruned.Patches;
        IReadOnlyList<Tensor> outputs = [.. sample.OutputsOf(Layer).Take(patches.Count)];
        var junction = sample.JunctionOf(Layer);
        var besidePruned = pruned.Beside;
        IReadOnlyList<Tensor> besideDense = [.. sample.BesideOf(Layer).Take(besidePruned.Count)];
        var perBlock = Layer.OutputChannels / _layouts.Count;
        var first = 0;                                                                       // of the block's units among the kept ones
        foreach (var layout in _layouts)
        {
            using var scope = NewDisposeScope();
            var count = layout.KeptCount * layout.Positions;
            var start = layout.Block * perBlock;
            var live = Canonical(_weight).narrow(0, start, perBlock);                        // [outputs, units, taps]
            var units = PatchUnits!.narrow(0, first, count) - layout.FirstUnit;
            var centre = live.index_select(1, units).to(float32).flatten(1);                 // [outputs, kept × taps]
            var cut = Canonical(original).narrow(0, start, perBlock).index_select(1, units).to(float32).flatten(1);
            var constant = shifts.narrow(0, start, perBlock);
            var bias = _bias is null ? zeros(perBlock) : _bias.Tensor.detach().to(float32).narrow(0, start, perBlock);
            var still = constant.to(float32) + bias;
            var slope = junction?.Slope.narrow(0, start, perBlock) ?? ones(perBlock);
            var offset = junction?.Offset.narrow(0, start, perBlock) ?? zeros(perBlock);
            using var fit = new DirectFit(slope, offset, options.Rectifiers && junction is { Rectified: true }, intercept);
            for (var call = 0; call < outputs.Count; call++)
            {
                var x = patches[call].narrow(1, first, count).flatten(1);
                var dense = outputs[call].narrow(1, start, perBlock);
                fit.Add(x, x.mm(centre.t()) + still, dense, Beside(besideDense, call), Beside(besidePruned, call));
                totals.AddCut(x.mm(cut.t()) + bias, dense, bias);
            }

            if (fit.Solve(options.DirectRidges) is { } map)
            {
                var weights = map.narrow(0, 0, centre.shape[1]).t().reshape(perBlock, count, live.shape[2]);
                live.index_copy_(1, units, live.index_select(1, units) + weights.to(live.dtype));
                if (intercept)
                    constant.add_(map.select(0, centre.shape[1]));
            }

            totals.AddFit(fit);
            first += count;

            Tensor? Beside(IReadOnlyList<Tensor> rows, int call) => options.ResidualSums && junction?.Shortcut is not null && rows.Count == outputs.Count ? rows[call].narrow(1, start, perBlock) : null;
        }
    }
}
