using FilterPruning.Criteria;
using FilterPruning.Planning;
using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;
using Net = FilterPruning.Tests.Tracing.Net;

namespace FilterPruning.Tests.Criteria;

public class ActivationCriteriaTests
{
    [Fact]
    public void Shares_of_zeros_and_means_counted_by_hand()
    {
        using var scope = NewDisposeScope();
        using var net = Small.TwoLayers([[1], [-1], [0.5], [0]], [1, 1, 1, 1]);
        var graph = Small.Graph(net, 4, 1);
        // Behind the ReLU, the channels carry x⁺, (−x)⁺, x⁺ / 2 and 0 for x = −2, 0, 1, 3 (first batch) and 5 (second).
        var batches = CalibrationBatches.Inputs(net, [tensor(new[,] { { -2.0 }, { 0 }, { 1 }, { 3 } }), tensor(new[,] { { 5.0 } })]);
        Bank.Close([3 / 5.0, 1 / 5.0, 3 / 5.0, 0], Bank.Scores(new ApozCriterion(batches), graph, "hidden"));
        Bank.Close([9 / 5.0, 2 / 5.0, 9 / 10.0, 0], Bank.Scores(new MeanActivationCriterion(batches), graph, "hidden"));
        Bank.Close([2 / 5.0, 1 / 5.0, 2 / 5.0, 0], Bank.Scores(new ApozCriterion(batches, threshold: 1), graph, "hidden"));
    }

    [Fact]
    public void Channels_are_looked_at_where_they_are_read()
    {
        using var scope = NewDisposeScope();
        using var net = Small.Residual();
        var graph = Small.Graph(net, 2, 3, 5, 5);
        Tensor[] inputs = [Small.Picture(0, 2), Small.Picture(1)];
        var seen = new Dictionary<string, List<Tensor>> { ["inner"] = [], ["widen"] = [], ["last"] = [] };
        var hooks = seen.Keys.Select(name => net[name].register_forward_pre_hook((_, x) =>
        {
            seen[name].Add(x.detach().movedim([1], [0]).reshape(x.shape[1], -1).MoveToOtherDisposeScope(scope));
            return x;
        })).ToList();
        foreach (var input in inputs)
            net.call(input);
        hooks.ForEach(hook => hook.remove());

        // The residual group is read by the inner layer behind the ReLU and by the widening one behind the sum.
        var residual = cat([.. seen["inner"], .. seen["widen"]], 1);  // [6, numbers]
        var wide = cat(seen["last"], 1);                               // [8, numbers]
        foreach (var layer in new[] { "first", "inner" })
            Check(layer, residual);
        Check("widen", wide);

        void Check(string layer, Tensor read)
        {
            Bank.Close([.. read.abs().mean([1]).data<double>()], Bank.Scores(new MeanActivationCriterion(CalibrationBatches.Inputs(net, inputs)), graph, layer));
            Bank.Close([.. read.not_equal(0).to(float64).mean([1]).data<double>()], Bank.Scores(new ApozCriterion(CalibrationBatches.Inputs(net, inputs)), graph, layer));
        }
    }

    [Fact]
    public void A_flattened_channel_counts_all_its_positions()
    {
        using var scope = NewDisposeScope();
        using var net = new Net((n, x) => n.Call("fc", F.relu(n.Call("conv", x)).flatten(1)), ("conv", Conv2d(1, 2, 1, bias: false)), ("fc", Linear(2 * 4, 3)));
        using (no_grad())
            ((Conv2d)net["conv"]).weight.copy_(tensor(new[] { 1f, -2f }).reshape(2, 1, 1, 1));
        var graph = FilterPruning.Graph.DependencyGraph.Trace(net, rand(2, 1, 2, 2));
        var batches = CalibrationBatches.Inputs(net, [tensor(new[] { 1f, 2f, 3f, -4f }).reshape(1, 1, 2, 2)]);
        Bank.Close([3 / 4.0, 1 / 4.0], Bank.Scores(new ApozCriterion(batches), graph, "conv"));
        Bank.Close([6 / 4.0, 8 / 4.0], Bank.Scores(new MeanActivationCriterion(batches), graph, "conv"));
    }

    [Fact]
    public void Data_that_does_not_reach_a_reader_is_refused()
    {
        using var scope = NewDisposeScope();
        using var net = Small.Residual();
        using var other = Small.Residual();
        var graph = Small.Graph(net, 2, 3, 5, 5);
        foreach (var batches in new[] { CalibrationBatches.Inputs(other, [Small.Picture(0)]), CalibrationBatches.Inputs(net, [Small.Picture(0, 0)]) })
        {
            var error = Assert.Throws<PruningException>(() => CriterionPreparation.Prepare(new ApozCriterion(batches), graph));
            Assert.Contains("'inner', 'widen'", error.Message, StringComparison.Ordinal);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => CalibrationBatches.Inputs(net, []));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ApozCriterion(CalibrationBatches.Inputs(net, [Small.Picture(0)]), threshold: -1));
    }

    [Fact]
    public void Layers_that_stay_get_finite_scores_too()
    {
        using var scope = NewDisposeScope();
        using var net = Small.Residual();
        var graph = Small.Graph(net, 2, 3, 5, 5);
        var batches = CalibrationBatches.Inputs(net, [Small.Picture(0)]);
        // By magnitude, on the scale of the measured ones.
        var criterion = new MeanActivationCriterion(batches);
        var measured = new[] { "first", "inner", "widen" }.SelectMany(layer => Bank.Scores(criterion, graph, layer)).Average();
        var norms = ((Linear)net["last"]).weight.detach().square().sum(1).sqrt().data<double>().ToArray();
        Bank.Close([.. norms.Select(norm => norm / norms.Average() * measured)], Bank.Scores(criterion, graph, "last"));
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Criterion = new MeanActivationCriterion(batches), Normalization = ScoreNormalization.Mean, Scope = PruningScope.Global });
        Assert.Equal(7, plan.RemovedGroups);
    }
}
