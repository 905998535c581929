using FilterPruning.Graph;
using FilterPruning.Recovery;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Selection;

/// <summary>Pointwise layers of 4 → 12 → 16 → 16 → 5 channels with biases and ReLUs between them, on 3 × 3 pictures.</summary>
internal sealed class FourLayers : nn.Module<Tensor, Tensor>
{
    /// <summary>The widths that may shrink.</summary>
    public static readonly int[] Full = [12, 16, 16];

    private readonly Conv2d first;
    private readonly Conv2d second;
    private readonly Conv2d third;
    private readonly Conv2d last;

    public FourLayers(int seed, bool twins = false)
        : base(nameof(FourLayers))
    {
        first = nn.Conv2d(4, 12, 1);
        second = nn.Conv2d(12, 16, 1);
        third = nn.Conv2d(16, 16, 1);
        last = nn.Conv2d(16, 5, 1);
        RegisterComponents();
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)seed);
        foreach (var parameter in parameters())
            parameter.copy_(randn(parameter.shape, generator: generator) * 0.4);
        if (twins)
        {
            second.weight!.narrow(0, 8, 8).copy_(second.weight.narrow(0, 0, 8) * 1.5);
            second.bias!.narrow(0, 8, 8).copy_(second.bias.narrow(0, 0, 8) * 1.5);
        }

        eval();
    }

    public static double Macs(int[] widths) => 2 * 9 * ((4 * widths[0]) + (widths[0] * widths[1]) + (widths[1] * widths[2]) + (widths[2] * 5));

    public static double Parameters(int[] widths) => (5 * widths[0]) + ((widths[0] + 1) * widths[1]) + ((widths[1] + 1) * widths[2]) + ((widths[2] + 1) * 5);

    public Conv2d Layer(string name) => name switch { "first" => first, "second" => second, "third" => third, _ => last };

    public DependencyGraph Graph() => DependencyGraph.Trace(this, Inputs(1)[0]);

    public CalibrationSample Sample() => CalibrationSample.Collect(this, Graph(), Inputs(6));

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = nn.functional.relu(first.call(input));
        x = nn.functional.relu(second.call(x));
        x = nn.functional.relu(third.call(x));
        return last.call(x).MoveToOuterDisposeScope();
    }

    private static Tensor[] Inputs(int count)
    {
        using var generator = new Generator(11);
        return [.. Enumerable.Range(0, count).Select(_ => randn([2, 4, 3, 3], generator: generator))];
    }
}
