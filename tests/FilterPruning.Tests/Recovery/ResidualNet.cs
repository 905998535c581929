using TorchSharp.Modules;

namespace FilterPruning.Tests.Recovery;

/// <summary>A stem, one residual block with a norm behind its second convolution, and a last layer: relu(x + norm(outer(relu(inner(x))))).</summary>
internal sealed class ResidualNet : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d stem = nn.Conv2d(3, 16, 3, padding: 1);
    private readonly Conv2d inner = nn.Conv2d(16, 12, 3, padding: 1);
    private readonly Conv2d outer = nn.Conv2d(12, 16, 3, padding: 1, bias: false);
    private readonly BatchNorm2d norm = nn.BatchNorm2d(16);
    private readonly Conv2d last = nn.Conv2d(16, 4, 1);

    public ResidualNet()
        : base(nameof(ResidualNet))
    {
        RegisterComponents();
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var generator = new Generator(11);
        foreach (var parameter in parameters())
            parameter.copy_(randn(parameter.shape, generator: generator) * 0.3);
        norm.running_mean!.copy_(randn(16, generator: generator));
        norm.running_var!.copy_(rand(16, generator: generator) + 0.5);
        eval();
    }

    public BatchNorm2d Norm => norm;

    public Conv2d Last => last;

    public static Tensor Noise(int seed)
    {
        using var generator = new Generator((ulong)seed);
        return randn([2, 3, 12, 12], generator: generator);
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return last.call(WithoutLast(input)).MoveToOuterDisposeScope();
    }

    /// <summary>What the last layer reads.</summary>
    public Tensor WithoutLast(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = nn.functional.relu(stem.call(input));                              // [N, 16, 12, 12]
        var y = norm.call(outer.call(nn.functional.relu(inner.call(x))));
        return nn.functional.relu(x + y).MoveToOuterDisposeScope();
    }
}
