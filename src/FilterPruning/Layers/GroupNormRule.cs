using System.Runtime.CompilerServices;
using FilterPruning.Graph;
using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary>
/// <c>GroupNorm</c> with weight and bias <c>[C]</c>. Its groups have equal widths, so channels go in one of two ways, whichever is finer: a whole group at a time, which leaves the statistics
/// of the others alone, or the same place of every group, which changes them.
/// </summary>
internal sealed class GroupNormRule : LayerRule
{
    // A layer that was cut no longer says how wide its groups were; the first look does.
    private static readonly ConditionalWeakTable<GroupNorm, Division> _divisions = [];

    public override string Kind => "GroupNorm";

    public override bool Handles(nn.Module module) => module is GroupNorm { affine: true };

    public override int InputChannels(nn.Module module)
    {
        // The first look at the division must come before any cut.
        DivisionOf(module);
        return (int)((GroupNorm)module).weight.shape[0];
    }

    public override int OutputChannels(nn.Module module) => InputChannels(module);

    public override ChannelMapping Mapping(nn.Module module) => ChannelMapping.ChannelWise;

    // [N, C, …]
    public override int InputAxis(nn.Module module, Tensor input) => 1;

    public override int OutputAxis(nn.Module module, Tensor output) => 1;

    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module)
    {
        var layer = (GroupNorm)module;
        var weight = new ChannelTensor("weight", layer.weight, 0, null);
        return layer.bias is { } bias ? [weight, new ChannelTensor("bias", bias, 0, null)] : [weight];
    }

    public override int TieLabel(nn.Module module, ChannelAxis side, int channel)
    {
        var division = DivisionOf(module);
        var layer = (GroupNorm)module;
        return division.WholeGroups ? channel / division.Width : channel % (int)(layer.weight.shape[0] / layer.num_groups);
    }

    public override IReadOnlyList<Tensor>? OutputsOn(nn.Module module, IReadOnlyList<Tensor?> inputs, IReadOnlyList<int> keptInputs, IReadOnlyList<int> keptOutputs)
    {
        if (DivisionOf(module).WholeGroups) return null;
        using var scope = NewDisposeScope();
        var layer = (GroupNorm)module;
        var kept = tensor(keptOutputs.Select(channel => (long)channel).ToArray(), device: inputs[0]!.device);
        var input = inputs[0]!.detach().index_select(1, kept);                                            // [N, C', …]
        var grouped = input.to(float64).reshape(input.shape[0], layer.num_groups, -1);
        var mean = grouped.mean([2L], keepdim: true);
        var variance = (grouped - mean).square().mean([2L], keepdim: true);
        var normal = ((grouped - mean) / (variance + layer.eps).sqrt()).reshape(input.shape);
        long[] perChannel = [1, kept.shape[0], .. Enumerable.Repeat(1L, (int)input.dim() - 2)];
        normal *= layer.weight.detach().index_select(0, kept).to(float64).view(perChannel);
        if (layer.bias is { } bias) normal += bias.detach().index_select(0, kept).to(float64).view(perChannel);
        return [normal.to(input.dtype).MoveToOuterDisposeScope()];
    }

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels)
    {
        var division = DivisionOf(module);
        if (division.WholeGroups) ((GroupNorm)module).num_groups = outputChannels / division.Width;
    }

    private static Division DivisionOf(nn.Module module) => _divisions.GetValue((GroupNorm)module, layer =>
    {
        var width = (int)(layer.weight.shape[0] / layer.num_groups);
        return new Division(width, width <= layer.num_groups);
    });

    /// <summary>How a layer's channels fall into groups.</summary>
    private sealed record Division(int Width, bool WholeGroups);
}
