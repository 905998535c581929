using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>GoogLeNet: four branches joined by concatenation; two more classifiers that run in training only. torchvision <c>models/googlenet.py</c>.</summary>
public static class GoogLeNetZoo
{
    /// <summary>Without the auxiliary classifiers, as it is used and counted after training.</summary>
    public static ZooModel GoogLeNet { get; } = Of("googlenet", auxiliary: false) with { ReferenceMillions = (6.62, 1.92) };

    private static ZooModel Of(string name, bool auxiliary) => new(name, () => new Network(auxiliary), model =>
    {
        using var generator = new Generator(1, CPU);
        var (logits, second, first) = ((Network)model).call(randn([2, 3, 64, 64], generator: generator));
        return (logits, second, first);
    });

    private sealed class BasicConv2d : nn.Module<Tensor, Tensor>
    {
        private readonly Conv2d conv;
        private readonly BatchNorm2d bn;

        public BasicConv2d(long input, long output, long kernel, long stride = 1, long padding = 0)
            : base(nameof(BasicConv2d))
        {
            conv = nn.Conv2d(input, output, kernel, stride: stride, padding: padding, bias: false);
            bn = nn.BatchNorm2d(output, eps: 1e-3);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => nn.functional.relu(bn.call(conv.call(input)), inplace: true);
    }

    private sealed class Inception : nn.Module<Tensor, Tensor>
    {
        private readonly BasicConv2d branch1;
        private readonly Sequential branch2;
        private readonly Sequential branch3;
        private readonly Sequential branch4;

        public Inception(long input, long one, long threeReduced, long three, long fiveReduced, long five, long pool)
            : base(nameof(Inception))
        {
            branch1 = new BasicConv2d(input, one, 1);
            branch2 = nn.Sequential(new BasicConv2d(input, threeReduced, 1), new BasicConv2d(threeReduced, three, 3, padding: 1));
            // The paper's 5×5 convolution is 3×3 in torchvision.
            branch3 = nn.Sequential(new BasicConv2d(input, fiveReduced, 1), new BasicConv2d(fiveReduced, five, 3, padding: 1));
            branch4 = nn.Sequential(nn.MaxPool2d(3, stride: 1, padding: 1, ceil_mode: true), new BasicConv2d(input, pool, 1));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            Tensor[] branches = [branch1.call(input), branch2.call(input), branch3.call(input), branch4.call(input)];
            return cat(branches, 1).MoveToOuterDisposeScope();
        }
    }

    private sealed class AuxiliaryClassifier : nn.Module<Tensor, Tensor>
    {
        private readonly BasicConv2d conv;
        private readonly Linear fc1 = nn.Linear(2048, 1024);
        private readonly Linear fc2 = nn.Linear(1024, 1000);
        private readonly Dropout dropout = nn.Dropout(0.7);

        public AuxiliaryClassifier(long input)
            : base(nameof(AuxiliaryClassifier))
        {
            conv = new BasicConv2d(input, 128, 1);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            var x = conv.call(nn.functional.adaptive_avg_pool2d(input, 4)).flatten(1); // [N, 128·16]
            return fc2.call(dropout.call(fc1.call(x).relu_()));
        }
    }

    private sealed class Network : nn.Module<Tensor, (Tensor Logits, Tensor? Second, Tensor? First)>
    {
        private readonly BasicConv2d conv1 = new(3, 64, 7, stride: 2, padding: 3);
        private readonly MaxPool2d maxpool = nn.MaxPool2d(3, stride: 2, ceil_mode: true);
        private readonly BasicConv2d conv2 = new(64, 64, 1);
        private readonly BasicConv2d conv3 = new(64, 192, 3, padding: 1);
        private readonly Inception inception3a = new(192, 64, 96, 128, 16, 32, 32);
        private readonly Inception inception3b = new(256, 128, 128, 192, 32, 96, 64);
        private readonly Inception inception4a = new(480, 192, 96, 208, 16, 48, 64);
        private readonly Inception inception4b = new(512, 160, 112, 224, 24, 64, 64);
        private readonly Inception inception4c = new(512, 128, 128, 256, 24, 64, 64);
        private readonly Inception inception4d = new(512, 112, 144, 288, 32, 64, 64);
        private readonly Inception inception4e = new(528, 256, 160, 320, 32, 128, 128);
        private readonly Inception inception5a = new(832, 256, 160, 320, 32, 128, 128);
        private readonly Inception inception5b = new(832, 384, 192, 384, 48, 128, 128);
        private readonly AuxiliaryClassifier? aux1;
        private readonly AuxiliaryClassifier? aux2;
        private readonly Dropout dropout = nn.Dropout(0.2);
        private readonly Linear fc = nn.Linear(1024, 1000);

        public Network(bool auxiliary)
            : base("GoogLeNet")
        {
            if (auxiliary) (aux1, aux2) = (new AuxiliaryClassifier(512), new AuxiliaryClassifier(528));
            RegisterComponents();
            VisionParts.KaimingFanOut(this);
        }

        public override (Tensor Logits, Tensor? Second, Tensor? First) forward(Tensor input)
        {
            var x = maxpool.call(conv1.call(input));
            x = maxpool.call(conv3.call(conv2.call(x)));
            x = maxpool.call(inception3b.call(inception3a.call(x)));
            x = inception4a.call(x);
            var first = training ? aux1?.call(x) : null;
            x = inception4d.call(inception4c.call(inception4b.call(x)));
            var second = training ? aux2?.call(x) : null;
            x = nn.functional.max_pool2d(inception4e.call(x), 2, stride: 2, ceil_mode: true);
            x = inception5b.call(inception5a.call(x));
            x = nn.functional.adaptive_avg_pool2d(x, 1).flatten(1);
            return (fc.call(dropout.call(x)), second, first);
        }
    }
}
