using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>Inception v3: branches of factorised convolutions, nested concatenations, pooling without a convolution as a branch. torchvision <c>models/inception.py</c>, without the auxiliary classifier.</summary>
public static class InceptionV3Zoo
{
    /// <summary>At 112 px the last stage has two places in each direction.</summary>
    public static ZooModel InceptionV3 { get; } = ZooModel.Of("inception_v3", () => new Network(), 2, 3, 112, 112) with { ReferenceMillions = (23.83, 6.48) };

    private static BasicConv2d Square(long input, long output, long kernel, long stride = 1, long padding = 0) => new(input, output, (kernel, kernel), stride, (padding, padding));

    private static BasicConv2d Row(long input, long output, long length) => new(input, output, (1, length), 1, (0, length / 2));

    private static BasicConv2d Column(long input, long output, long length) => new(input, output, (length, 1), 1, (length / 2, 0));

    private sealed class BasicConv2d : nn.Module<Tensor, Tensor>
    {
        private readonly Conv2d conv;
        private readonly BatchNorm2d bn;

        public BasicConv2d(long input, long output, (long, long) kernel, long stride, (long, long) padding)
            : base(nameof(BasicConv2d))
        {
            conv = nn.Conv2d(input, output, kernel, stride: (stride, stride), padding: padding, bias: false);
            bn = nn.BatchNorm2d(output, eps: 1e-3);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            return nn.functional.relu(bn.call(conv.call(input)), inplace: true).MoveToOuterDisposeScope();
        }
    }

    private sealed class InceptionA : nn.Module<Tensor, Tensor>
    {
        private readonly BasicConv2d branch1x1;
        private readonly BasicConv2d branch5x5_1;
        private readonly BasicConv2d branch5x5_2 = Square(48, 64, 5, padding: 2);
        private readonly BasicConv2d branch3x3dbl_1;
        private readonly BasicConv2d branch3x3dbl_2 = Square(64, 96, 3, padding: 1);
        private readonly BasicConv2d branch3x3dbl_3 = Square(96, 96, 3, padding: 1);
        private readonly BasicConv2d branch_pool;

        public InceptionA(long input, long pool)
            : base(nameof(InceptionA))
        {
            branch1x1 = Square(input, 64, 1);
            branch5x5_1 = Square(input, 48, 1);
            branch3x3dbl_1 = Square(input, 64, 1);
            branch_pool = Square(input, pool, 1);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            var five = branch5x5_2.call(branch5x5_1.call(input));
            var three = branch3x3dbl_3.call(branch3x3dbl_2.call(branch3x3dbl_1.call(input)));
            var pooled = branch_pool.call(nn.functional.avg_pool2d(input, 3, stride: 1, padding: 1));
            return cat([branch1x1.call(input), five, three, pooled], 1);
        }
    }

    private sealed class InceptionB : nn.Module<Tensor, Tensor>
    {
        private readonly BasicConv2d branch3x3;
        private readonly BasicConv2d branch3x3dbl_1;
        private readonly BasicConv2d branch3x3dbl_2 = Square(64, 96, 3, padding: 1);
        private readonly BasicConv2d branch3x3dbl_3 = Square(96, 96, 3, stride: 2);

        public InceptionB(long input)
            : base(nameof(InceptionB))
        {
            branch3x3 = Square(input, 384, 3, stride: 2);
            branch3x3dbl_1 = Square(input, 64, 1);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            var twice = branch3x3dbl_3.call(branch3x3dbl_2.call(branch3x3dbl_1.call(input)));
            return cat([branch3x3.call(input), twice, nn.functional.max_pool2d(input, 3, stride: 2)], 1);
        }
    }

    private sealed class InceptionC : nn.Module<Tensor, Tensor>
    {
        private readonly BasicConv2d branch1x1 = Square(768, 192, 1);
        private readonly Sequential branch7x7;
        private readonly Sequential branch7x7dbl;
        private readonly BasicConv2d branch_pool = Square(768, 192, 1);

        public InceptionC(long inner)
            : base(nameof(InceptionC))
        {
            branch7x7 = nn.Sequential(Square(768, inner, 1), Row(inner, inner, 7), Column(inner, 192, 7));
            branch7x7dbl = nn.Sequential(Square(768, inner, 1), Column(inner, inner, 7), Row(inner, inner, 7), Column(inner, inner, 7), Row(inner, 192, 7));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var pooled = branch_pool.call(nn.functional.avg_pool2d(input, 3, stride: 1, padding: 1));
            return cat([branch1x1.call(input), branch7x7.call(input), branch7x7dbl.call(input), pooled], 1).MoveToOuterDisposeScope();
        }
    }

    private sealed class InceptionD : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential branch3x3 = nn.Sequential(Square(768, 192, 1), Square(192, 320, 3, stride: 2));
        private readonly Sequential branch7x7x3 = nn.Sequential(Square(768, 192, 1), Row(192, 192, 7), Column(192, 192, 7), Square(192, 192, 3, stride: 2));
        private readonly MaxPool2d branch_pool = nn.MaxPool2d(3, stride: 2);

        public InceptionD()
            : base(nameof(InceptionD))
        {
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => cat([branch3x3.call(input), branch7x7x3.call(input), branch_pool.call(input)], 1);
    }

    private sealed class InceptionE : nn.Module<Tensor, Tensor>
    {
        private readonly BasicConv2d branch1x1;
        private readonly BasicConv2d branch3x3_1;
        private readonly BasicConv2d branch3x3_2a = Row(384, 384, 3);
        private readonly BasicConv2d branch3x3_2b = Column(384, 384, 3);
        private readonly BasicConv2d branch3x3dbl_1;
        private readonly BasicConv2d branch3x3dbl_2 = Square(448, 384, 3, padding: 1);
        private readonly BasicConv2d branch3x3dbl_3a = Row(384, 384, 3);
        private readonly BasicConv2d branch3x3dbl_3b = Column(384, 384, 3);
        private readonly BasicConv2d branch_pool;

        public InceptionE(long input)
            : base(nameof(InceptionE))
        {
            branch1x1 = Square(input, 320, 1);
            branch3x3_1 = Square(input, 384, 1);
            branch3x3dbl_1 = Square(input, 448, 1);
            branch_pool = Square(input, 192, 1);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            var three = Both(branch3x3_1.call(input), branch3x3_2a, branch3x3_2b);
            var twice = Both(branch3x3dbl_2.call(branch3x3dbl_1.call(input)), branch3x3dbl_3a, branch3x3dbl_3b);
            var pooled = branch_pool.call(nn.functional.avg_pool2d(input, 3, stride: 1, padding: 1));
            return cat([branch1x1.call(input), three, twice, pooled], 1);

            static Tensor Both(Tensor x, BasicConv2d row, BasicConv2d column) => cat([row.call(x), column.call(x)], 1);
        }
    }

    private sealed class Network : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential stem;
        private readonly Sequential mixed;
        private readonly Dropout dropout = nn.Dropout(0.5);
        private readonly Linear fc = nn.Linear(2048, 1000);

        public Network()
            : base("InceptionV3")
        {
            stem = nn.Sequential(
                ("Conv2d_1a_3x3", Square(3, 32, 3, stride: 2)),
                ("Conv2d_2a_3x3", Square(32, 32, 3)),
                ("Conv2d_2b_3x3", Square(32, 64, 3, padding: 1)),
                ("maxpool1", nn.MaxPool2d(3, stride: 2)),
                ("Conv2d_3b_1x1", Square(64, 80, 1)),
                ("Conv2d_4a_3x3", Square(80, 192, 3)),
                ("maxpool2", nn.MaxPool2d(3, stride: 2)));
            mixed = nn.Sequential(
                ("Mixed_5b", new InceptionA(192, 32)),
                ("Mixed_5c", new InceptionA(256, 64)),
                ("Mixed_5d", new InceptionA(288, 64)),
                ("Mixed_6a", new InceptionB(288)),
                ("Mixed_6b", new InceptionC(128)),
                ("Mixed_6c", new InceptionC(160)),
                ("Mixed_6d", new InceptionC(160)),
                ("Mixed_6e", new InceptionC(192)),
                ("Mixed_7a", new InceptionD()),
                ("Mixed_7b", new InceptionE(1280)),
                ("Mixed_7c", new InceptionE(2048)));
            RegisterComponents();
            VisionParts.KaimingFanOut(this);
        }

        public override Tensor forward(Tensor input)
        {
            var x = mixed.call(stem.call(input)); // [N, 2048, H, W]
            x = nn.functional.adaptive_avg_pool2d(x, 1);
            return fc.call(flatten(dropout.call(x), 1));
        }
    }
}
