using TorchSharp.Modules;

namespace FilterPruning.Detection.Models;

/// <summary>The RPN's convolutions, shared by all levels. torchvision <c>detection/rpn.py</c>, <c>RPNHead</c>.</summary>
internal sealed class RpnHead : nn.Module<Tensor[], (Tensor[] Objectness, Tensor[] Deltas)>
{
    private readonly Sequential conv;
    private readonly Conv2d cls_logits;
    private readonly Conv2d bbox_pred;

    public RpnHead(int channels, int anchorsPerLocation, Generator generator)
        : base(nameof(RpnHead))
    {
        var shared = Convolution(channels, channels, kernel: 3, generator);
        conv = nn.Sequential(nn.Sequential(shared, nn.ReLU(inplace: true)));
        cls_logits = Convolution(channels, anchorsPerLocation, kernel: 1, generator);
        bbox_pred = Convolution(channels, anchorsPerLocation * 4, kernel: 1, generator);
        RegisterComponents();
    }

    /// <summary>Levels <c>[N, C, h, w]</c> → for each level logits <c>[N, A, h, w]</c> and offsets <c>[N, 4A, h, w]</c>.</summary>
    public override (Tensor[] Objectness, Tensor[] Deltas) forward(Tensor[] levels)
    {
        using var scope = NewDisposeScope();
        var objectness = new Tensor[levels.Length];
        var deltas = new Tensor[levels.Length];
        for (var i = 0; i < levels.Length; i++)
        {
            var hidden = conv.call(levels[i]);
            objectness[i] = cls_logits.call(hidden).MoveToOuterDisposeScope();
            deltas[i] = bbox_pred.call(hidden).MoveToOuterDisposeScope();
        }

        return (objectness, deltas);
    }

    private static Conv2d Convolution(long input, long output, long kernel, Generator generator)
    {
        var convolution = nn.Conv2d(input, output, kernel, padding: kernel / 2);
        WeightInit.Normal(convolution.weight!, 0.01, generator);
        WeightInit.Zero(convolution.bias!);
        return convolution;
    }
}
