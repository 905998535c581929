using FilterPruning.Inference;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Models;

/// <summary>A mask for each class, twice as large as the head's output. torchvision <c>detection/mask_rcnn.py</c>, <c>MaskRCNNPredictor</c>.</summary>
internal sealed class MaskRcnnPredictor : nn.Module<Tensor, Tensor>, IFusible
{
    private readonly ConvTranspose2d conv5_mask;
    private readonly Conv2d mask_fcn_logits;
    private readonly FusedConvolution _logits;

    public MaskRcnnPredictor(long input, long reduced, int classes, Generator generator)
        : base(nameof(MaskRcnnPredictor))
    {
        conv5_mask = nn.ConvTranspose2d(input, reduced, 2, stride: 2);
        WeightInit.KaimingNormalFanOut(conv5_mask.weight!, generator);
        WeightInit.DefaultBias(conv5_mask.weight!, conv5_mask.bias!, generator);
        mask_fcn_logits = nn.Conv2d(reduced, classes, 1);
        WeightInit.KaimingNormalFanOut(mask_fcn_logits.weight!, generator);
        WeightInit.DefaultBias(mask_fcn_logits.weight!, mask_fcn_logits.bias!, generator);
        RegisterComponents();
        _logits = new FusedConvolution(mask_fcn_logits);
    }

    IEnumerable<FusedConvolution> IFusible.Fusions => [_logits];

    /// <summary><c>[N, input, 14, 14]</c> → logits <c>[N, classes, 28, 28]</c>.</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return _logits.Run(conv5_mask.call(input).relu_()).MoveToOuterDisposeScope();
    }
}
