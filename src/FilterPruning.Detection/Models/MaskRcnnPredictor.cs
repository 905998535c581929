using FilterPruning.Inference;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Models;

/// <summary>A mask for each class, twice as large as the head's output. torchvision <c>detection/mask_rcnn.py</c>, <c>MaskRCNNPredictor</c>.</summary>
internal sealed class MaskRcnnPredictor : nn.Module<Tensor, Tensor>, IFusible
{
    private const int Scale = 2;

    private readonly ConvTranspose2d conv5_mask;
    private readonly Conv2d mask_fcn_logits;
    private readonly FusedTransposedConvolution _enlarged;
    private readonly FusedConvolution _logits;

    public MaskRcnnPredictor(long input, long reduced, int classes, Generator generator)
        : base(nameof(MaskRcnnPredictor))
    {
        conv5_mask = nn.ConvTranspose2d(input, reduced, Scale, stride: Scale);
        WeightInit.KaimingNormalFanOut(conv5_mask.weight!, generator);
        WeightInit.DefaultBias(conv5_mask.weight!, conv5_mask.bias!, generator);
        mask_fcn_logits = nn.Conv2d(reduced, classes, 1);
        WeightInit.KaimingNormalFanOut(mask_fcn_logits.weight!, generator);
        WeightInit.DefaultBias(mask_fcn_logits.weight!, mask_fcn_logits.bias!, generator);
        RegisterComponents();
        _enlarged = new FusedTransposedConvolution(conv5_mask);
        _logits = new FusedConvolution(mask_fcn_logits);
    }

    IEnumerable<IFusedLayer> IFusible.Fusions => [_enlarged, _logits];

    /// <summary><c>[N, input, 14, 14]</c> → logits <c>[N, classes, 28, 28]</c>.</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        if (!_enlarged.IsFusedFor(input))
            return _logits.Run(_enlarged.Run(input, relu: true)).MoveToOuterDisposeScope();
        // The logits look at each place alone, so that only they have to be put in order: a few channels instead of hundreds.
        var blocks = _logits.Run(_enlarged.RunInBlocks(input, relu: true)); // [N, classes, 14, 14 · 4]
        return FusedTransposedConvolution.FromBlocks(blocks, Scale).MoveToOuterDisposeScope();
    }
}
