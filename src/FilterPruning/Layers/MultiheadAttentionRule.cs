using System.Runtime.CompilerServices;
using FilterPruning.Graph;
using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary>
/// <c>MultiheadAttention</c>. The native module insists that the width it reads and returns is heads × head width, so each channel goes together with one place of the heads: either the same place
/// of every head (the heads get narrower) or all places of one head (a head goes), whichever is finer.
/// </summary>
/// <remarks>
/// Weights <c>in_proj_weight</c> [3·E, E] (or <c>q_proj_weight</c> [E, E] and <c>k_proj_weight</c>, <c>v_proj_weight</c> of other widths, whose inputs then stay), <c>out_proj.weight</c> [E, E].
/// </remarks>
internal sealed class MultiheadAttentionRule : LayerRule
{
    // A layer that was cut no longer says how it was divided; the first look does.
    private static readonly ConditionalWeakTable<MultiheadAttention, Division> _divisions = [];

    public override string Kind => "MultiheadAttention";

    public override bool Handles(nn.Module module) => module is MultiheadAttention;

    public override int InputChannels(nn.Module module) => OutputChannels(module);

    public override int OutputChannels(nn.Module module)
    {
        DivisionOf(module);
        return Width(module);
    }

    public override ChannelMapping Mapping(nn.Module module) => ChannelMapping.ChannelWise;

    // [L, N, E]
    public override int InputAxis(nn.Module module, Tensor input) => (int)input.dim() - 1;

    public override int OutputAxis(nn.Module module, Tensor output) => (int)output.dim() - 1;

    public override IReadOnlyList<TensorPort> InputPorts(nn.Module module, IReadOnlyList<Tensor?> inputs)
    {
        var packed = Has(module, "in_proj_weight");
        return [.. Enumerable.Range(0, packed ? 3 : 1).Select(i => new TensorPort(i, (int)inputs[i]!.dim() - 1, ChannelAxis.Input))];
    }

    public override int TieLabel(nn.Module module, ChannelAxis side, int channel)
    {
        var division = DivisionOf(module);
        return division.WholeHeads ? channel / division.HeadWidth : channel % (Width(module) / division.Options.Heads);
    }

    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module) =>
        [.. module.named_parameters(recurse: false).Where(entry => entry.parameter.numel() > 0).Select(entry => Describe(entry.name, entry.parameter))];

    public override ChannelTensor Filters(nn.Module module)
    {
        var name = Has(module, "in_proj_weight") ? "in_proj_weight" : "q_proj_weight";
        return Describe(name, OwnParameters.Get(module, name));
    }

    public override long Macs(
        nn.Module module, ChannelMapping mapping, IReadOnlyList<int> inputChannels, int outputChannels, ReadOnlySpan<long> inputShape, ReadOnlySpan<long> outputShape)
    {
        // Four projections of every token, and two products of every pair of tokens; keys are taken to be as many as queries.
        long tokens = inputShape[0], batch = inputShape[1], width = outputChannels;
        return batch * tokens * ((4 * width * width) + (2 * tokens * width));
    }

    public override IReadOnlyList<Tensor> OutputsOn(nn.Module module, IReadOnlyList<Tensor?> inputs, IReadOnlyList<int> keptInputs, IReadOnlyList<int> keptOutputs)
    {
        var options = DivisionOf(module).Options;
        var (output, weights) = new AttentionWeights((MultiheadAttention)module).Attend(inputs, HeadsNow(module), options.AddZero, keptOutputs, keptOutputs);
        // Whoever does not ask for the weights gets none.
        return [output, weights];
    }

    public override void AfterCut(nn.Module module, int inputChannelsBefore, int outputChannelsBefore)
    {
        if (DivisionOf(module).WholeHeads) return;
        // Narrower heads are divided by the root of a smaller width: the queries make up for it.
        using var guard = no_grad();
        var factor = Math.Sqrt((double)Width(module) / outputChannelsBefore);
        var width = Width(module);
        if (Has(module, "in_proj_weight")) OwnParameters.Get(module, "in_proj_weight").narrow(0, 0, width).mul_(factor);
        else OwnParameters.Get(module, "q_proj_weight").mul_(factor);
        if (Has(module, "in_proj_bias")) OwnParameters.Get(module, "in_proj_bias").narrow(0, 0, width).mul_(factor);
    }

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels)
    {
        // The native side of the fresh module brought its widths along.
    }

    internal override bool IsExchanged => true;

    internal override nn.Module Resized(nn.Module module, int inputChannels, int outputChannels)
    {
        var division = DivisionOf(module);
        var weights = new AttentionWeights((MultiheadAttention)module);
        var heads = division.WholeHeads ? outputChannels / division.HeadWidth : division.Options.Heads;
        var fresh = nn.MultiheadAttention(outputChannels, heads, division.Options.Dropout, weights.HasBias, weights.KeyBias is not null, division.Options.AddZero,
            weights.IsPacked ? null : weights.KeyWidth, weights.IsPacked ? null : weights.ValueWidth);
        return fresh.to(weights.Device).to(weights.Type);
    }

    private static int HeadsNow(nn.Module module)
    {
        var division = DivisionOf(module);
        return division.WholeHeads ? Width(module) / division.HeadWidth : division.Options.Heads;
    }

    private static ChannelTensor Describe(string name, Tensor tensor) => name switch
    {
        "in_proj_weight" or "q_proj_weight" or "out_proj.weight" =>
            new ChannelTensor(name, tensor, [new TensorAxis(0, ChannelAxis.Output), new TensorAxis(1, ChannelAxis.Output) { Reads = true }]),
        "bias_k" or "bias_v" => new ChannelTensor(name, tensor, [new TensorAxis(2, ChannelAxis.Output)]),
        // Also the projections of keys and values of other widths.
        _ => new ChannelTensor(name, tensor, [new TensorAxis(0, ChannelAxis.Output)]),
    };

    private static int Width(nn.Module module) => (int)OwnParameters.Get(module, "out_proj.weight").shape[0];

    private static bool Has(nn.Module module, string name) => module.named_parameters(recurse: false).Any(entry => entry.name == name && entry.parameter.numel() > 0);

    private static Division DivisionOf(nn.Module module) => _divisions.GetValue((MultiheadAttention)module, layer =>
    {
        var weights = new AttentionWeights(layer);
        var options = AttentionOptions.Of(layer, weights);
        var width = weights.Embedding / options.Heads;
        return new Division(options, width, WholeHeads: options.Heads > width);
    });

    /// <summary>How a layer's channels fall into heads.</summary>
    private sealed record Division(AttentionOptions Options, int HeadWidth, bool WholeHeads);
}
