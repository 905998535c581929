using TorchSharp.Modules;

namespace FilterPruning.Tests.Recovery;

/// <summary>A first layer of 16 filters, the last eight of them 0.4 times the first eight, a ReLU, and a consumer of the wanted kind.</summary>
internal sealed class TwinNet : nn.Module<Tensor, Tensor>
{
    private readonly string _kind;
    private readonly Conv2d first;
    private readonly nn.Module<Tensor, Tensor> second;
    private readonly nn.Module<Tensor, Tensor> third;

    public TwinNet(string kind)
        : base(nameof(TwinNet))
    {
        _kind = kind;
        first = nn.Conv2d(3, 16, 3);
        second = kind switch
        {
            "transposed" => nn.ConvTranspose2d(16, 5, 2, stride: 2),
            "flatten" => nn.Linear(16 * 6 * 6, 5),
            "conv-norm" => nn.Conv2d(16, 5, 3, bias: false),
            "grouped" => nn.Conv2d(16, 6, 1, groups: 2),
            _ => nn.Conv2d(16, 5, 1),
        };
        third = kind == "conv-norm" ? nn.BatchNorm2d(5) : nn.Identity();
        RegisterComponents();
        Fill();
    }

    public Conv2d First => first;

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = nn.functional.relu(first.call(input));      // [4, 16, 6, 6]
        var y = _kind switch
        {
            "flatten" => second.call(x.flatten(1)),
            "shared" => second.call(x).flatten(1) + second.call(nn.functional.avg_pool2d(x, 2)).mean([2, 3], keepdim: true).flatten(1).repeat(1, 36),
            _ => third.call(second.call(x)),
        };
        return y.MoveToOuterDisposeScope();
    }

    // Values from a generator of its own: the tests must not depend on the global random state.
    private void Fill()
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        foreach (var parameter in parameters())
            parameter.copy_(randn(parameter.shape, generator: generator) * 0.3);
        if (third is BatchNorm2d norm)
        {
            norm.running_mean!.copy_(randn(5, generator: generator));
            norm.running_var!.copy_(rand(5, generator: generator) + 0.5);
        }

        // For a grouped consumer the twins must lie in the same block: pairs 0 … 3 with 4 … 7 would; there only a quarter repeats.
        var copies = _kind == "grouped" ? (0, 4, 4) : (0, 8, 8);
        first.weight!.narrow(0, copies.Item2, copies.Item3).copy_(first.weight.narrow(0, copies.Item1, copies.Item3) * 0.4);
        first.bias!.narrow(0, copies.Item2, copies.Item3).copy_(first.bias.narrow(0, copies.Item1, copies.Item3) * 0.4);
        if (_kind == "grouped")
        {
            first.weight.narrow(0, 12, 4).copy_(first.weight.narrow(0, 8, 4) * 0.4);
            first.bias.narrow(0, 12, 4).copy_(first.bias.narrow(0, 8, 4) * 0.4);
        }
    }
}
