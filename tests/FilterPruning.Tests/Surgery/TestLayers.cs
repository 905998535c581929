using FilterPruning.Layers;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Surgery;

/// <summary>A layer whose width is that of its weight. Doubles of convolution, linear layer and norm that need no tracer.</summary>
internal abstract class TestLayer : nn.Module<Tensor, Tensor>
{
    protected TestLayer(string name)
        : base(name)
    {
    }

    public abstract IReadOnlyList<ChannelTensor> Tensors { get; }

    public static Parameter Values(Generator generator, params long[] shape)
        => new(randn(shape, generator: generator) / Math.Sqrt(Math.Max(1, shape.Skip(1).Aggregate(1L, (a, b) => a * b))));
}

internal sealed class TestConv : TestLayer
{
    public readonly Parameter weight;  // [out, in / groups, k, k]
    public readonly Parameter bias;
    public readonly int Groups;

    public TestConv(Generator generator, int inputs, int outputs, int kernel = 1, int groups = 1)
        : base(nameof(TestConv))
    {
        Groups = groups;
        weight = Values(generator, outputs, inputs / groups, kernel, kernel);
        bias = Values(generator, outputs);
        RegisterComponents();
    }

    public override IReadOnlyList<ChannelTensor> Tensors => [new("weight", weight, 0, 1), new("bias", bias, 0, null)];

    public override Tensor forward(Tensor input) => nn.functional.conv2d(input, weight, bias, padding: [weight.shape[2] / 2, weight.shape[3] / 2], groups: Groups);
}

internal sealed class TestLinear : TestLayer
{
    public readonly Parameter weight;  // [out, in]
    public readonly Parameter bias;

    public TestLinear(Generator generator, int inputs, int outputs)
        : base(nameof(TestLinear))
    {
        weight = Values(generator, outputs, inputs);
        bias = Values(generator, outputs);
        RegisterComponents();
    }

    public override IReadOnlyList<ChannelTensor> Tensors => [new("weight", weight, 0, 1), new("bias", bias, 0, null)];

    public override Tensor forward(Tensor input) => nn.functional.linear(input, weight, bias);
}

internal sealed class TestNorm : TestLayer
{
    public readonly Parameter weight;
    public readonly Parameter bias;
    public readonly Tensor running_mean;
    public readonly Tensor running_var;

    public TestNorm(Generator generator, int channels)
        : base(nameof(TestNorm))
    {
        weight = Values(generator, channels);
        bias = Values(generator, channels);
        running_mean = randn(channels, generator: generator);
        running_var = rand(channels, generator: generator) + 0.5;
        register_buffer("running_mean", running_mean);
        register_buffer("running_var", running_var);
        RegisterComponents();
    }

    public override IReadOnlyList<ChannelTensor> Tensors =>
    [
        new("weight", weight, 0, null), new("bias", bias, 0, null),
        new("running_mean", running_mean, 0, null, TensorRole.Statistic), new("running_var", running_var, 0, null, TensorRole.Statistic),
    ];

    public override Tensor forward(Tensor input) => nn.functional.batch_norm(input, running_mean, running_var, weight, bias, training, 0.1, 1e-5);
}

/// <summary>The rule of all test layers.</summary>
internal sealed class TestRule : LayerRule
{
    private readonly Type _type;

    private TestRule(Type type) => _type = type;

    public static LayerRule For(nn.Module module) => new TestRule(module.GetType());

    public override string Kind => _type.Name;

    /// <summary>Fails the next call of <see cref="SetWidths"/> for layers of this output width; for tests of roll-back.</summary>
    public static int? FailAtWidth { get; set; }

    public override bool Handles(nn.Module module) => module.GetType() == _type;

    public override int InputChannels(nn.Module module) => module switch
    {
        TestConv conv => (int)conv.weight.shape[1] * conv.Groups,
        TestLinear linear => (int)linear.weight.shape[1],
        _ => OutputChannels(module),
    };

    public override int OutputChannels(nn.Module module) => (int)((TestLayer)module).Tensors[0].Tensor.shape[0];

    public override ChannelMapping Mapping(nn.Module module) => module switch
    {
        TestNorm => ChannelMapping.ChannelWise,
        TestConv { Groups: > 1 } => ChannelMapping.Grouped,
        _ => ChannelMapping.Dense,
    };

    public override int Blocks(nn.Module module) => (module as TestConv)?.Groups ?? 1;

    public override int InputAxis(nn.Module module, Tensor input) => module is TestLinear ? (int)input.dim() - 1 : 1;

    public override int OutputAxis(nn.Module module, Tensor output) => InputAxis(module, output);

    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module) => ((TestLayer)module).Tensors;

    public override ChannelTensor? Filters(nn.Module module) => module is TestNorm ? null : Tensors(module)[0];

    public override long MacsPerPair(nn.Module module, ReadOnlySpan<long> inputShape, ReadOnlySpan<long> outputShape) => module switch
    {
        TestConv conv => outputShape[0] * outputShape[2] * outputShape[3] * conv.weight.shape[2] * conv.weight.shape[3],
        TestLinear => outputShape[0],
        _ => 0,
    };

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels)
    {
        if (FailAtWidth == outputChannels)
        {
            FailAtWidth = null;
            throw new InvalidOperationException("asked to fail");
        }
    }
}
