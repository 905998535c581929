using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Tests.Tracing;
using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Tests.Criteria;

public class BatchNormScaleTests
{
    [Fact]
    public void Each_filter_scores_the_scale_of_its_own_norm()
    {
        using var scope = NewDisposeScope();
        using var net = Small.Residual();
        var graph = Small.Graph(net, 2, 3, 5, 5);
        // 'first' and 'inner' make the same groups, but each feeds a norm of its own.
        foreach (var (layer, norm) in new[] { ("first", "norm1"), ("inner", "norm2"), ("widen", "norm3") })
            Bank.Close(Scales(net, norm), Bank.Scores(new BatchNormScaleCriterion(), graph, layer));
    }

    [Fact]
    public void Several_norms_of_one_channel_count_by_their_mean()
    {
        using var scope = NewDisposeScope();
        using var net = Scaled(new Net(
            (n, x) =>
            {
                var a = n.Call("left", x);
                var b = n.Call("right", F.relu(n.Call("norm1", a)));
                return n.Call("last", F.relu(n.Call("norm2", cat([b, a], 1))));
            },
            ("left", Nets.Conv(3, 4)), ("norm1", BatchNorm2d(4)), ("right", Nets.Conv(4, 5)), ("norm2", BatchNorm2d(9)), ("last", Nets.Conv(9, 2))));
        var graph = DependencyGraph.Trace(net, rand(2, 3, 8, 8));
        var (one, both) = (Scales(net, "norm1"), Scales(net, "norm2"));
        Bank.Close([.. Enumerable.Range(0, 4).Select(i => (one[i] + both[5 + i]) / 2)], Bank.Scores(new BatchNormScaleCriterion(), graph, "left"));
        Bank.Close([.. both.Take(5)], Bank.Scores(new BatchNormScaleCriterion(), graph, "right"));
    }

    [Fact]
    public void A_branch_without_a_norm_takes_that_of_its_group()
    {
        using var scope = NewDisposeScope();
        using var net = Scaled(new Net(
            (n, x) => n.Call("last", F.relu(n.Call("norm", n.Call("main", x)) + n.Call("shortcut", x))),
            ("main", Nets.Conv(3, 6)), ("norm", BatchNorm2d(6)), ("shortcut", Nets.Conv(3, 6, 1)), ("last", Nets.Conv(6, 2))));
        var graph = DependencyGraph.Trace(net, rand(2, 3, 8, 8));
        Bank.Close(Scales(net, "norm"), Bank.Scores(new BatchNormScaleCriterion(), graph, "shortcut"));
    }

    [Fact]
    public void Without_a_norm_the_relative_magnitude_stands_in()
    {
        using var scope = NewDisposeScope();
        using var net = Scaled(new Net(
            (n, x) => n.Call("last", F.prelu(n.Call("bare", F.relu(n.Call("norm", n.Call("first", x)))), full([4], 0.3f))),
            ("first", Nets.Conv(3, 5)), ("norm", BatchNorm2d(5)), ("bare", Nets.Conv(5, 4)), ("last", Nets.Conv(4, 2))));
        var graph = DependencyGraph.Trace(net, rand(2, 3, 8, 8));
        var norms = ((Conv2d)net["bare"]).weight.detach().to(float64).square().sum([1, 2, 3]).sqrt().data<double>().ToArray();
        Bank.Close([.. norms.Select(norm => norm / norms.Average() * Scales(net, "norm").Average())], Bank.Scores(new BatchNormScaleCriterion(), graph, "bare"), 1e-5);
    }

    [Fact]
    public void A_slope_is_no_scale_and_a_model_without_norms_is_refused()
    {
        using var scope = NewDisposeScope();
        using var net = new Net(
            (n, x) => n.Call("last", n.Call("norm", n.Call("slope", n.Call("first", x)))),
            ("first", Nets.Conv(3, 5)), ("slope", PReLU(5)), ("norm", BatchNorm2d(5, affine: false)), ("last", Nets.Conv(5, 2)));
        var graph = DependencyGraph.Trace(net, rand(2, 3, 8, 8));
        var error = Assert.Throws<PruningException>(() => CriterionPreparation.Prepare(new BatchNormScaleCriterion(), graph));
        Assert.Contains("needs norms with a scale", error.Message, StringComparison.Ordinal);
    }

    private static Net Scaled(Net net)
    {
        using var noGrad = no_grad();
        var seed = 1UL;
        foreach (var (_, module) in net.named_modules())
        {
            if (module is not BatchNorm2d norm)
                continue;
            using var generator = new Generator(seed++, CPU);
            norm.weight.copy_(randn(norm.weight.shape, generator: generator));
        }

        return net;
    }

    private static double[] Scales(Net net, string norm)
    {
        using var scope = NewDisposeScope();
        return [.. ((BatchNorm2d)net[norm]).weight.detach().to(float64).abs().data<double>()];
    }
}
