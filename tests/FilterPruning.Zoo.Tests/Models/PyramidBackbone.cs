using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>A narrow ResNet with a feature pyramid on its last three or all four stages, as the zoo's detectors share it. Finest level first.</summary>
internal sealed class PyramidBackbone : Module<Tensor, Tensor[]>
{
    private readonly Sequential stem;
    private readonly ModuleList<Sequential> layers = [];
    private readonly ModuleList<Conv2d> inner_blocks = [];
    private readonly ModuleList<Conv2d> layer_blocks = [];
    private readonly Conv2d? p6;
    private readonly Conv2d? p7;
    private readonly int _firstStage;

    /// <param name="width">Channels of the first stage; each further stage has twice as many.</param>
    /// <param name="blocks">Residual blocks in each stage.</param>
    /// <param name="channels">Channels of every level.</param>
    /// <param name="firstStage">The first stage that the pyramid uses, from 0.</param>
    /// <param name="convolved">Two more levels by strided convolutions (RetinaNet, FCOS), or one by pooling (Faster R-CNN).</param>
    public PyramidBackbone(long width, int[] blocks, long channels, int firstStage, bool convolved)
        : base(nameof(PyramidBackbone))
    {
        _firstStage = firstStage;
        stem = Sequential(("conv1", Conv2d(3, width, 7, stride: 2, padding: 3, bias: false)), ("bn1", BatchNorm2d(width)), ("relu", ReLU(inplace: true)), ("maxpool", MaxPool2d(3, stride: 2, padding: 1)));
        for (var stage = 0; stage < blocks.Length; stage++)
        {
            var (input, output) = (stage == 0 ? width : width << (stage - 1), width << stage);
            layers.Add(Sequential(Enumerable.Range(0, blocks[stage]).Select(i => (Module<Tensor, Tensor>)new Block(i == 0 ? input : output, output, i == 0 && stage > 0 ? 2 : 1)).ToArray()));
            if (stage < firstStage) continue;
            inner_blocks.Add(Conv2d(output, channels, 1));
            layer_blocks.Add(Conv2d(channels, channels, 3, padding: 1));
        }
        if (convolved)
        {
            p6 = Conv2d(channels, channels, 3, stride: 2, padding: 1);
            p7 = Conv2d(channels, channels, 3, stride: 2, padding: 1);
        }
        RegisterComponents();
    }

    /// <summary><c>[N, 3, H, W]</c> → levels <c>[N, channels, hᵢ, wᵢ]</c>.</summary>
    public override Tensor[] forward(Tensor images)
    {
        using var scope = NewDisposeScope();
        var stages = new List<Tensor>();
        var x = stem.call(images);
        for (var stage = 0; stage < layers.Count; stage++)
        {
            x = layers[stage].call(x);
            if (stage >= _firstStage) stages.Add(x);
        }
        var levels = new List<Tensor>();
        var last = inner_blocks[^1].call(stages[^1]);
        levels.Add(layer_blocks[^1].call(last));
        for (var level = stages.Count - 2; level >= 0; level--)
        {
            var lateral = inner_blocks[level].call(stages[level]);
            last = lateral + F.interpolate(last, size: [lateral.shape[2], lateral.shape[3]]);
            levels.Insert(0, layer_blocks[level].call(last));
        }
        if (p6 is not null && p7 is not null)
        {
            levels.Add(p6.call(levels[^1]));
            levels.Add(p7.call(F.relu(levels[^1])));
        }
        else
        {
            levels.Add(F.max_pool2d(levels[^1], 1, stride: 2));
        }
        return levels.Select(level => level.MoveToOuterDisposeScope()).ToArray();
    }

    private sealed class Block : Module<Tensor, Tensor>
    {
        private readonly Conv2d conv1;
        private readonly BatchNorm2d bn1;
        private readonly Conv2d conv2;
        private readonly BatchNorm2d bn2;
        private readonly Sequential? downsample;

        public Block(long input, long output, long stride)
            : base(nameof(Block))
        {
            conv1 = Conv2d(input, output, 3, stride: stride, padding: 1, bias: false);
            bn1 = BatchNorm2d(output);
            conv2 = Conv2d(output, output, 3, padding: 1, bias: false);
            bn2 = BatchNorm2d(output);
            if (stride > 1 || input != output) downsample = Sequential(Conv2d(input, output, 1, stride: stride, bias: false), BatchNorm2d(output));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = bn2.call(conv2.call(bn1.call(conv1.call(input)).relu_()));
            return x.add_(downsample is null ? input : downsample.call(input)).relu_().MoveToOuterDisposeScope();
        }
    }
}
