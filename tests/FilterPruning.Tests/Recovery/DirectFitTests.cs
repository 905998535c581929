using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Surgery;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Recovery;

public class DirectFitTests
{
    /// <summary>
    /// The removed filters are the kept ones with their kernels moved by one pixel: their maps are the kept maps shifted. No map from channel to channel can express that, a 3×3 kernel can
    /// where it has a tap to spare: the consumer's kernel for the removed channels reads its middle tap alone.
    /// </summary>
    [Fact]
    public void Shifted_copies_are_repaired_exactly_by_patches_and_only_by_them()
    {
        Assert.InRange(ErrorOfShiftedNet(patches: true), 0, 1e-3);
        Assert.True(ErrorOfShiftedNet(patches: false) > 0.05);
    }

    /// <summary>What a rectifier hides is free: with it the fit has a lower error of the positive parts than the plain least-squares solution has.</summary>
    [Fact]
    public void A_rectified_fit_is_better_behind_the_rectifier_than_the_plain_one()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        var (x, w) = (randn([2000, 6], generator: generator), randn([10, 8], generator: generator));
        var hidden = cat([x, x.narrow(1, 0, 4).abs()], 1);                                   // ten channels, of which six are kept
        var dense = hidden.mm(w);
        var goal = dense.clamp_min(0);

        Assert.True(After(rectified: true) < After(rectified: false));

        double After(bool rectified)
        {
            using var fit = new DirectFit(ones(8, dtype: float64), zeros(8, dtype: float64), rectified, intercept: true);
            for (var part = 0; part < 4; part++)
                fit.Add(x.narrow(0, part * 500, 500), zeros(500, 8), dense.narrow(0, part * 500, 500), null, null);
            var map = fit.Solve([1e-6])!.to(float32);
            return (cat([x, ones(2000, 1)], 1).mm(map).clamp_min(0) - goal).pow(2).mean().item<float>();
        }
    }

    /// <summary>
    /// The second half of the stream is 0.2 times the first, behind the stem and behind the block, and L1 removes it: the layers that read the stream are repaired exactly.
    /// </summary>
    [Fact]
    public void A_residual_net_with_repeated_channels_is_repaired_exactly()
    {
        using var scope = NewDisposeScope();
        var net = new ResidualNet();
        using (no_grad())
        {
            foreach (var (name, tensor) in net.state_dict())
            {
                if (tensor.dim() == 0 || tensor.shape[0] != 16 || name.StartsWith("inner", StringComparison.Ordinal))
                    continue;
                var scaled = !(name is "norm.weight" or "norm.running_var");
                tensor.narrow(0, 8, 8).copy_(tensor.narrow(0, 0, 8) * (scaled ? 0.2 : 1));
            }
        }

        var test = ResidualNet.Noise(99);
        Tensor dense;
        using (no_grad())
            dense = net.call(test);
        var graph = DependencyGraph.Trace(net, test);
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Ignore = ["inner:outputs"] });
        Assert.Equal(Enumerable.Range(8, 8), plan.Find("stem")!.RemovedOutputs);

        var report = LeastSquaresRepair.Apply(net, graph, plan, [.. Enumerable.Range(0, 8).Select(ResidualNet.Noise)]);
        using var cut = Surgeon.Apply(graph, plan);

        Assert.All(report.Layers, layer => Assert.InRange(layer.ErrorAfter, 0, 1e-7));
        using (no_grad())
            Assert.InRange((net.call(test) - dense).abs().max().item<float>() / dense.abs().max().item<float>(), 0, 1e-3);
    }

    private static float ErrorOfShiftedNet(bool patches)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5);
        var first = nn.Conv2d(3, 8, 3, bias: false);
        var second = nn.Conv2d(8, 5, 3);
        var net = nn.Sequential(("first", first), ("second", second));
        using (no_grad())
        {
            foreach (var parameter in net.parameters())
                parameter.copy_(randn(parameter.shape, generator: generator) * 0.3);
            // 3×3 kernels of which only the left two columns are used, and the same moved to the right, smaller so that L1 removes them.
            first.weight!.narrow(0, 0, 4).narrow(3, 2, 1).zero_();
            first.weight.narrow(0, 4, 4).zero_();
            first.weight.narrow(0, 4, 4).narrow(3, 1, 2).copy_(first.weight.narrow(0, 0, 4).narrow(3, 0, 2) * 0.2);
            var middle = second.weight!.narrow(1, 4, 4).narrow(2, 1, 1).narrow(3, 1, 1).clone();
            second.weight.narrow(1, 4, 4).zero_();
            second.weight.narrow(1, 4, 4).narrow(2, 1, 1).narrow(3, 1, 1).copy_(middle);
        }

        net.eval();
        var test = randn([2, 3, 14, 14], generator: generator);
        Tensor dense;
        using (no_grad())
            dense = net.call(test);
        var graph = DependencyGraph.Trace(net, test);
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Ignore = ["second:outputs"] });
        Assert.Equal([4, 5, 6, 7], plan.Find("first")!.RemovedOutputs);
        var inputs = Enumerable.Range(0, 8).Select(_ => randn([2, 3, 14, 14], generator: generator)).ToArray();
        LeastSquaresRepair.Apply(net, graph, plan, inputs, new RepairOptions { Patches = patches });
        using var cut = Surgeon.Apply(graph, plan);
        using (no_grad())
            return ((net.call(test) - dense).abs().max() / dense.abs().max()).item<float>();
    }
}
