using TorchSharp.Modules;

namespace FilterPruning.Detection.Models;

/// <summary>Classes and box offsets of a pooled box. torchvision <c>detection/faster_rcnn.py</c>, <c>FastRCNNPredictor</c>.</summary>
internal sealed class FastRcnnPredictor : nn.Module<Tensor, (Tensor Logits, Tensor Deltas)>
{
    private readonly Linear cls_score;
    private readonly Linear bbox_pred;

    public FastRcnnPredictor(long input, int classes, Generator generator)
        : base(nameof(FastRcnnPredictor))
    {
        cls_score = nn.Linear(input, classes);
        WeightInit.Default(cls_score.weight!, cls_score.bias!, generator);
        bbox_pred = nn.Linear(input, classes * 4);
        WeightInit.Default(bbox_pred.weight!, bbox_pred.bias!, generator);
        RegisterComponents();
    }

    /// <summary><c>[N, features]</c> → logits <c>[N, classes]</c> and, for each class, offsets <c>[N, 4 · classes]</c>.</summary>
    public override (Tensor Logits, Tensor Deltas) forward(Tensor input) => (cls_score.call(input), bbox_pred.call(input));
}
