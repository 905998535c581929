using FilterPruning.Inference;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Models;

/// <summary>Lin et al. 2017: one width at all scales, coarse levels added to finer ones. torchvision <c>ops/feature_pyramid_network.py</c>.</summary>
internal sealed class FeaturePyramidNetwork : nn.Module<Tensor[], Tensor[]>, IFusible
{
    private readonly ModuleList<Sequential> inner_blocks;
    private readonly ModuleList<Sequential> layer_blocks;
    private readonly FusedConvolution[] _inner;
    private readonly FusedConvolution[] _outer;

    /// <param name="inputs">Channels of the backbone's stages, finest first.</param>
    /// <param name="channels">Channels of every level.</param>
    /// <param name="generator">Draws the initial weights.</param>
    public FeaturePyramidNetwork(IReadOnlyList<int> inputs, int channels, Generator generator)
        : base(nameof(FeaturePyramidNetwork))
    {
        inner_blocks = nn.ModuleList(inputs.Select(input => Block(input, channels, kernel: 1, generator)).ToArray());
        layer_blocks = nn.ModuleList(inputs.Select(_ => Block(channels, channels, kernel: 3, generator)).ToArray());
        RegisterComponents();
        _inner = [.. inner_blocks.Select(block => new FusedConvolution(block))];
        _outer = [.. layer_blocks.Select(block => new FusedConvolution(block))];
    }

    IEnumerable<IFusedLayer> IFusible.Fusions => [.. _inner, .. _outer];

    /// <summary>The stages' outputs, finest first → the pyramid at strides 4, 8, 16, 32 and 64, each <c>[N, channels, h, w]</c>.</summary>
    public override Tensor[] forward(Tensor[] stages)
    {
        using var scope = NewDisposeScope();
        var levels = new Tensor[stages.Length + 1];
        var last = stages.Length - 1;
        var inner = _inner[last].Run(stages[last]);
        levels[last] = _outer[last].Run(inner);
        for (var i = last - 1; i >= 0; i--)
        {
            // A 1×1 convolution keeps the size, so the coarser level can be enlarged before it runs.
            var enlarged = nn.functional.interpolate(inner, [stages[i].shape[2], stages[i].shape[3]]);
            inner = _inner[i].Run(stages[i], added: enlarged);
            levels[i] = _outer[i].Run(inner);
        }

        // "pool": every second value of the coarsest level
        levels[^1] = nn.functional.max_pool2d(levels[last], 1L, 2L, 0L);
        foreach (var level in levels)
            level.MoveToOuterDisposeScope();
        return levels;
    }

    private static Sequential Block(long input, long output, long kernel, Generator generator)
    {
        var convolution = nn.Conv2d(input, output, kernel, padding: kernel / 2);
        WeightInit.KaimingUniformFanIn(convolution.weight!, generator);
        WeightInit.Zero(convolution.bias!);
        return nn.Sequential(convolution);
    }
}
