using FilterPruning.Inference;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Models;

/// <summary>Two linear layers on a pooled box. torchvision <c>detection/faster_rcnn.py</c>, <c>TwoMLPHead</c>.</summary>
internal sealed class TwoMlpHead : nn.Module<Tensor, Tensor>, IFusible
{
    private readonly Linear fc6;
    private readonly Linear fc7;
    private readonly FusedLinear _first;
    private readonly FusedLinear _second;

    public TwoMlpHead(long input, long features, Generator generator)
        : base(nameof(TwoMlpHead))
    {
        fc6 = nn.Linear(input, features);
        WeightInit.Default(fc6.weight!, fc6.bias!, generator);
        fc7 = nn.Linear(features, features);
        WeightInit.Default(fc7.weight!, fc7.bias!, generator);
        RegisterComponents();
        (_first, _second) = (new FusedLinear(fc6), new FusedLinear(fc7));
    }

    IEnumerable<IFusedLayer> IFusible.Fusions => [_first, _second];

    /// <summary><c>[N, C, 7, 7]</c> → <c>[N, features]</c>.</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = _first.Run(input.flatten(1), relu: true);
        return _second.Run(x, relu: true).MoveToOuterDisposeScope();
    }
}
