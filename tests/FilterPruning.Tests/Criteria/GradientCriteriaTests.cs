using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Criteria;

public class GradientCriteriaTests
{
    [Fact]
    public void Taylor_of_a_linear_function_is_its_part_of_the_answer()
    {
        using var scope = NewDisposeScope();
        using var net = Small.TwoLayers([[1, 2], [3, 0], [-1, 0]], [2, -1, 5]);
        var graph = Small.Graph(net, 4, 2);
        var batches = CalibrationBatches.From(2, i => net.call(tensor(i == 0 ? new[,] { { 1.0, 1.0 } } : new[,] { { 2.0, 0.0 } })).sum());
        var taylor = new TaylorCriterion(batches);
        // ∂answer/∂w_c = v_c · x where w_c · x > 0, so gradient × weight = v_c · w_c · x: (6, −3, 0) for the first batch, (4, −6, 0) for the second.
        Bank.Close([(36 + 16) / 2.0, (9 + 36) / 2.0, 0], Bank.Scores(taylor, graph, "hidden"));
        // The only filter of the last layer makes the whole answer: 3 and −2.
        Bank.Close([(9 + 4) / 2.0], Bank.Scores(taylor, graph, "output"));
    }

    [Fact]
    public void Taylor_is_the_square_of_what_a_factor_on_the_filter_does()
    {
        using var scope = NewDisposeScope();
        using var net = Small.Residual();
        var graph = Small.Graph(net, 2, 3, 5, 5);
        var batches = Small.Labelled(net);
        var taylor = new TaylorCriterion(batches);
        foreach (var (layer, bank) in FilterScorer.Banks(graph))
        {
            var expected = Enumerable.Range(0, bank.Count).Select(filter => MeanSquare(batches, [(bank, filter)])).ToArray();
            Bank.Close(expected, Bank.Scores(taylor, graph, layer.Name), 1e-4);
        }
    }

    [Fact]
    public void Fisher_is_the_square_of_what_a_factor_on_the_group_does()
    {
        using var scope = NewDisposeScope();
        using var net = Small.Residual();
        var graph = Small.Graph(net, 2, 3, 5, 5);
        var batches = Small.Labelled(net);
        var fisher = new FisherCriterion(batches);
        var banks = FilterScorer.Banks(graph).Select(entry => entry.Bank).ToDictionary(bank => bank.LayerName);
        Assert.Equal(graph.Layers.Single(layer => layer.Name == "first").OutputGroups, graph.Layers.Single(layer => layer.Name == "inner").OutputGroups);
        foreach (var layer in graph.Layers.Where(layer => banks.ContainsKey(layer.Name)))
        {
            var expected = layer.OutputGroups.Select(group => MeanSquare(batches,
                [.. graph.Groups[group].Members.Where(member => member.Axis == ChannelAxis.Output && banks.ContainsKey(member.Layer)).Select(member => (banks[member.Layer], member.Channel))]));
            Bank.Close([.. expected], Bank.Scores(fisher, graph, layer.Name), 1e-4);
        }
    }

    [Fact]
    public void A_batch_of_several_samples_counts_as_one_gradient()
    {
        using var scope = NewDisposeScope();
        using var net = Small.TwoLayers([[1, 0], [0, 1]], [1, 1]);
        var graph = Small.Graph(net, 4, 2);
        var (one, two) = (tensor(new[,] { { 3.0, 1.0 } }), tensor(new[,] { { 1.0, 1.0 } }));
        // Opposite signs in one batch cancel, in two they do not.
        var together = new FisherCriterion(CalibrationBatches.From(1, _ => net.call(one).sum() - net.call(two).sum()));
        var apart = new FisherCriterion(CalibrationBatches.From(2, i => i == 0 ? net.call(one).sum() : -net.call(two).sum()));
        Bank.Close([4, 0], Bank.Scores(together, graph, "hidden"));
        Bank.Close([(9 + 1) / 2.0, (1 + 1) / 2.0], Bank.Scores(apart, graph, "hidden"));
    }

    [Fact]
    public void A_batch_that_propagates_back_by_itself_changes_nothing()
    {
        using var scope = NewDisposeScope();
        using var net = Small.TwoLayers([[1, 2], [3, 0]], [2, -1]);
        var graph = Small.Graph(net, 4, 2);
        var x = ones(1, 2, dtype: float64);
        var batches = CalibrationBatches.From(2, _ =>
        {
            net.call(x).sum().backward();
            return net.call(x).sum();
        });
        Bank.Close([36, 9], Bank.Scores(new TaylorCriterion(batches), graph, "hidden"));
    }

    [Fact]
    public void Half_precision_weights_keep_their_small_products()
    {
        using var scope = NewDisposeScope();
        using var net = Small.TwoLayers([[1, 2], [3, 0], [0.5, 0]], [2, -1, 5]);
        var graph = Small.Graph(net, 4, 2);
        net.to(ScalarType.BFloat16);
        var taylor = new TaylorCriterion(CalibrationBatches.From(1, _ => net.call(ones(1, 2, dtype: ScalarType.BFloat16)).sum()));
        Bank.Close([36, 9, 6.25], Bank.Scores(taylor, graph, "hidden"));
    }

    [Fact]
    public void What_is_no_loss_is_refused()
    {
        using var scope = NewDisposeScope();
        using var net = Small.TwoLayers([[1, 2], [3, 0]], [2, -1]);
        var graph = Small.Graph(net, 4, 2);
        var x = ones(3, 2, dtype: float64);
        Refused(_ => null, "returned nothing");
        Refused(_ => net.call(x), "[3, 1]");
        Refused(_ => net.call(x).sum().detach(), "without a history");
        Refused(_ => net.call(x).sum() / 0, "finite");
        Refused(_ => (((Linear)net["output"]).weight * 2).sum(), "'hidden'");                                     // nothing reaches the other layer
        Refused(_ => throw new InvalidOperationException("no such file"), "Batch 0 of 1 of the calibration data failed: no such file");

        void Refused(Func<int, Tensor?> run, string message)
        {
            foreach (var criterion in new IPruningCriterion[] { new TaylorCriterion(CalibrationBatches.From(1, run)), new FisherCriterion(CalibrationBatches.From(1, run)) })
            {
                var error = Assert.Throws<PruningException>(() => PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Criterion = criterion }));
                Assert.Contains(message, error.Message, StringComparison.Ordinal);
            }
        }
    }

    /// <summary>The mean over batches of (∂loss/∂factor)², the factor on some filters together, by central differences: the error is of the order h² = 1e-8.</summary>
    private static double MeanSquare(ICalibrationBatches batches, IReadOnlyList<(FilterBank Bank, int Filter)> filters)
    {
        const double Step = 1e-4;
        using var noGrad = no_grad();
        return Enumerable.Range(0, batches.Count).Average(batch => Math.Pow((Loss(batch, 1 + Step) - Loss(batch, 1 - Step)) / (2 * Step), 2));

        double Loss(int batch, double factor)
        {
            foreach (var (bank, filter) in filters)
                bank.Weight[filter].mul_(factor);
            var loss = batches.Run(batch)!.item<double>();
            foreach (var (bank, filter) in filters)
                bank.Weight[filter].div_(factor);
            return loss;
        }
    }
}
