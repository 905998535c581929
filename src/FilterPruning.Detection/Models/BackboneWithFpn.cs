namespace FilterPruning.Detection.Models;

/// <summary>A ResNet with a feature pyramid on top. torchvision <c>detection/backbone_utils.py</c>.</summary>
internal sealed class BackboneWithFpn : nn.Module<Tensor, Tensor[]>
{
    private readonly ResNet body;
    private readonly FeaturePyramidNetwork fpn;

    public BackboneWithFpn(ResNetShape shape, MaskRcnnOptions options, Generator generator)
        : base(nameof(BackboneWithFpn))
    {
        body = new ResNet(shape, options, generator);
        body.Freeze(options.TrainableLayers);
        int[] stages = [1, 2, 4, 8];
        fpn = new FeaturePyramidNetwork([.. stages.Select(factor => factor * options.BackboneWidth * shape.Expansion)], options.FpnChannels, generator);
        RegisterComponents();
    }

    /// <summary>The same with the time of its two parts booked.</summary>
    public Tensor[] Run(Tensor images, StageClock clock)
    {
        using var scope = NewDisposeScope();
        var stages = body.call(images);
        clock.Mark(DetectionStage.Body);
        var levels = fpn.call(stages);
        clock.Mark(DetectionStage.Pyramid);
        foreach (var level in levels)
            level.MoveToOuterDisposeScope();
        return levels;
    }

    /// <summary>float32 <c>[N, 3, H, W]</c> → five levels <c>[N, FpnChannels, h, w]</c> at strides 4 to 64, finest first.</summary>
    public override Tensor[] forward(Tensor images)
    {
        using var scope = NewDisposeScope();
        var levels = fpn.call(body.call(images));
        foreach (var level in levels)
            level.MoveToOuterDisposeScope();
        return levels;
    }
}
