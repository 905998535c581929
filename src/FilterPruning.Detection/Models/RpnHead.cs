using FilterPruning.Inference;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Models;

/// <summary>The RPN's convolutions, shared by all levels. torchvision <c>detection/rpn.py</c>, <c>RPNHead</c>.</summary>
internal sealed class RpnHead : nn.Module<Tensor[], (Tensor[] Objectness, Tensor[] Deltas)>, IFusible
{
    private readonly Sequential conv;
    private readonly Conv2d cls_logits;
    private readonly Conv2d bbox_pred;
    private readonly FusedConvolution _hidden;
    private readonly FusedConvolution _objectness;
    private readonly FusedConvolution _deltas;

    public RpnHead(int channels, int anchorsPerLocation, Generator generator)
        : base(nameof(RpnHead))
    {
        var shared = Convolution(channels, channels, kernel: 3, generator);
        conv = nn.Sequential(nn.Sequential(shared, nn.ReLU(inplace: true)));
        cls_logits = Convolution(channels, anchorsPerLocation, kernel: 1, generator);
        bbox_pred = Convolution(channels, anchorsPerLocation * 4, kernel: 1, generator);
        RegisterComponents();
        _hidden = new FusedConvolution(conv);
        _objectness = new FusedConvolution(cls_logits);
        _deltas = new FusedConvolution(bbox_pred);
    }

    IEnumerable<IFusedLayer> IFusible.Fusions => [_hidden, _objectness, _deltas];

    /// <summary>Levels <c>[N, C, h, w]</c> → for each level logits <c>[N, A, h, w]</c> and offsets <c>[N, 4A, h, w]</c>.</summary>
    public override (Tensor[] Objectness, Tensor[] Deltas) forward(Tensor[] levels)
    {
        using var scope = NewDisposeScope();
        var objectness = new Tensor[levels.Length];
        var deltas = new Tensor[levels.Length];
        for (var i = 0; i < levels.Length; i++)
        {
            var hidden = _hidden.Run(levels[i]);
            objectness[i] = _objectness.Run(hidden).MoveToOuterDisposeScope();
            deltas[i] = _deltas.Run(hidden).MoveToOuterDisposeScope();
        }

        return (objectness, deltas);
    }

    /// <summary>
    /// The same as <see cref="forward"/>, at some anchors only. The losses look at a few hundred of tens of thousands of anchors, so going back
    /// through the whole map, mostly zeros, would be the costliest part of the RPN's training. Gathers the 3×3 surroundings of each anchor's place instead.
    /// </summary>
    /// <param name="levels">Levels <c>[N, C, h, w]</c>.</param>
    /// <param name="images">int64 <c>[S]</c>: the image of each anchor.</param>
    /// <param name="anchors">int64 <c>[S]</c>: its number among all anchors of the image.</param>
    /// <returns>Logits <c>[S]</c> and offsets <c>[S, 4]</c>, moved to the caller's scope.</returns>
    /// <remarks>Hooks on the 3×3 convolution do not see this; those on the two layers after it do.</remarks>
    public (Tensor Objectness, Tensor Deltas) At(Tensor[] levels, Tensor images, Tensor anchors)
    {
        using var scope = NewDisposeScope();
        var anchorsPerPlace = cls_logits.out_channels;
        var places = anchors.div(anchorsPerPlace, RoundingMode.floor);
        var patches = new List<Tensor>();
        var rows = new List<Tensor>();
        long first = 0;
        foreach (var level in levels)
        {
            var count = level.shape[2] * level.shape[3];
            var members = places.ge(first).logical_and(places.lt(first + count)).nonzero().squeeze(1);
            rows.Add(members);
            patches.Add(Surroundings(level, images.index_select(0, members), places.index_select(0, members) - first));
            first += count;
        }

        var shared = SharedConvolution;
        var weight = shared.weight!.permute(0, 2, 3, 1).flatten(1); // [C', 9 · C]
        var hidden = nn.functional.linear(cat(patches).flatten(1), weight, shared.bias).relu_();
        hidden = hidden.index_select(0, cat(rows).argsort()).unsqueeze(2).unsqueeze(3); // back in the order of the anchors: [S, C', 1, 1]

        var row = arange(anchors.shape[0], dtype: int64, device: anchors.device);
        var which = anchors.remainder(anchorsPerPlace);
        var objectness = cls_logits.call(hidden).flatten(1).index(row, which);
        var deltas = bbox_pred.call(hidden).view(anchors.shape[0], anchorsPerPlace, 4).index(row, which);
        return (objectness.MoveToOuterDisposeScope(), deltas.MoveToOuterDisposeScope());
    }

    // Places [S] of a level [N, C, h, w] → [S, 9, C], zero beyond the border.
    private static Tensor Surroundings(Tensor level, Tensor images, Tensor places)
    {
        var (height, width) = (level.shape[2], level.shape[3]);
        var offsets = arange(9, dtype: int64, device: level.device);
        var y = places.div(width, RoundingMode.floor).unsqueeze(1) + offsets.div(3, RoundingMode.floor) - 1; // [S, 9]
        var x = places.remainder(width).unsqueeze(1) + offsets.remainder(3) - 1;
        var inside = y.ge(0).logical_and(y.lt(height)).logical_and(x.ge(0)).logical_and(x.lt(width));
        var values = level.index(
            TensorIndex.Tensor(images.unsqueeze(1)), TensorIndex.Colon, TensorIndex.Tensor(y.clamp(0, height - 1)), TensorIndex.Tensor(x.clamp(0, width - 1)));
        return values * inside.unsqueeze(2);
    }

    private Conv2d SharedConvolution => (Conv2d)((Sequential)conv[0])[0];

    private static Conv2d Convolution(long input, long output, long kernel, Generator generator)
    {
        var convolution = nn.Conv2d(input, output, kernel, padding: kernel / 2);
        WeightInit.Normal(convolution.weight!, 0.01, generator);
        WeightInit.Zero(convolution.bias!);
        return convolution;
    }
}
