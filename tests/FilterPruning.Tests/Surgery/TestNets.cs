using FilterPruning.Graph;

namespace FilterPruning.Tests.Surgery;

/// <summary>A small net with every kind of tie: chain, norm, residual sum, concatenation, a grouped layer, a shared head, flatten.</summary>
internal sealed class TiedNet : nn.Module<Tensor, Tensor>
{
    public readonly TestConv stem, inner, left, right, mix, grouped, head;
    public readonly TestNorm norm;
    public readonly TestLinear fc, classes;

    public TiedNet(ulong seed = 1)
        : base(nameof(TiedNet))
    {
        using var generator = new Generator(seed, CPU);
        stem = new TestConv(generator, 3, 12, 3);
        norm = new TestNorm(generator, 12);
        inner = new TestConv(generator, 12, 12, 3);
        left = new TestConv(generator, 12, 8);
        right = new TestConv(generator, 12, 6);
        mix = new TestConv(generator, 14, 16);
        grouped = new TestConv(generator, 16, 16, 3, groups: 4);
        head = new TestConv(generator, 16, 10);
        fc = new TestLinear(generator, 10 * 4, 20);
        classes = new TestLinear(generator, 20, 5);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = nn.functional.relu(norm.call(stem.call(input)), inplace: true);
        x = x + inner.call(x);                                                                   // residual
        x = cat([left.call(x), nn.functional.relu(right.call(x))], 1);                           // [N, 14, 8, 8]
        x = nn.functional.relu(grouped.call(mix.call(x)));
        var small = head.call(nn.functional.avg_pool2d(x, 4));                                   // [N, 10, 2, 2]
        var large = nn.functional.adaptive_avg_pool2d(head.call(x), [2, 2]);
        return classes.call(nn.functional.relu(fc.call((small + large).flatten(1)))).MoveToOuterDisposeScope();
    }

    public static Tensor Example()
    {
        using var generator = new Generator(7, CPU);
        return randn(2, 3, 8, 8, generator: generator);
    }

    /// <summary>The ties as a tracer should find them.</summary>
    public DependencyGraph Graph(Tensor input) => new HandGraph(this, () => call(input))
        .PinInput("stem").Tie("stem", "norm").Tie("norm", "inner")
        .Tie("norm", "left").Tie("inner", "left").Tie("norm", "right").Tie("inner", "right")
        .Tie("left", "mix").Tie("right", "mix", offset: (int)left.weight.shape[0])
        .Tie("mix", "grouped").Tie("grouped", "head").Tie("head", "fc", per: 4).Tie("fc", "classes").PinOutput("classes").Build();
}

/// <summary>The simplest net: three layers in a row.</summary>
internal sealed class ChainNet : nn.Module<Tensor, Tensor>
{
    public readonly TestConv first, second, last;

    public ChainNet(int width = 10, int secondWidth = 20)
        : base(nameof(ChainNet))
    {
        using var generator = new Generator(3, CPU);
        first = new TestConv(generator, 3, width, 3);
        second = new TestConv(generator, width, secondWidth, 3);
        last = new TestConv(generator, secondWidth, 4);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return last.call(nn.functional.relu(second.call(nn.functional.relu(first.call(input))))).MoveToOuterDisposeScope();
    }

    public DependencyGraph Graph(Tensor input)
        => new HandGraph(this, () => call(input)).PinInput("first").Tie("first", "second").Tie("second", "last").PinOutput("last").Build();
}
