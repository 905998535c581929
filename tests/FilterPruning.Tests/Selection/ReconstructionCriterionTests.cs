using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Tests.Recovery;

namespace FilterPruning.Tests.Selection;

/// <summary>The criterion on whole models.</summary>
public sealed class ReconstructionCriterionTests
{
    [Theory]
    [InlineData("conv")]
    [InlineData("transposed")]
    [InlineData("flatten")]
    [InlineData("conv-norm")]
    [InlineData("shared")]
    public void OneOfEachPairOfTwinsGoesAndNothingIsLost(string kind)
    {
        using var scope = NewDisposeScope();
        using var net = new TwinNet(kind);
        var (graph, sample, inputs) = Collect(net);
        using (sample)
        {
            var dense = net.call(inputs[0]);
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Criterion = new ReconstructionCriterion(sample, 1e-6) });
            var removed = plan.Find("first")!.RemovedOutputs;
            Assert.Equal(8, removed.Count);
            Assert.Equal(8, removed.Select(channel => channel % 8).Distinct().Count());   // filters i and i + 8 are twins
            LeastSquaresRepair.Apply(net, sample, plan);
            Assert.True((net.call(inputs[0]) - dense).abs().max().item<float>() < 1e-3 * dense.abs().max().item<float>());
        }
    }

    [Fact]
    public void GroupedLayersAreJudgedBlockByBlock()
    {
        using var scope = NewDisposeScope();
        using var net = new TwinNet("grouped");     // groups are pairs {i, i + 8}; those of i and i + 4 repeat each other
        var (graph, sample, _) = Collect(net);
        using (sample)
        {
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Criterion = new ReconstructionCriterion(sample, 1e-6) });
            Assert.Equal([0, 1, 2, 3], plan.Find("first")!.RemovedOutputs.Select(channel => channel % 4).Distinct().Order());
            Assert.Equal(8, plan.Find("first")!.RemovedOutputs.Count);
        }
    }

    [Fact]
    public void ScoresAreFiniteAndTellAllFiltersOfARoleApart()
    {
        using var scope = NewDisposeScope();
        using var net = new TwinNet("conv");
        var (graph, sample, _) = Collect(net);
        using (sample)
        {
            var criterion = new ReconstructionCriterion(sample);
            CriterionPreparation.Prepare(criterion, graph);
            var scores = criterion.Score(new FilterBank("first", net.First, net.First.weight!, 0, 16)).data<float>().ToArray();
            Assert.All(scores, score => Assert.True(float.IsFinite(score)));
            Assert.Equal(16, scores.Distinct().Count());
        }
    }

    [Fact]
    public void ASampleOfAnotherGraphIsRefused()
    {
        using var scope = NewDisposeScope();
        using var net = new TwinNet("conv");
        var (_, sample, inputs) = Collect(net);
        using (sample)
        {
            var other = DependencyGraph.Trace(net, inputs[0]);
            Assert.Contains("another graph", Assert.Throws<PruningException>(() => CriterionPreparation.Prepare(new ReconstructionCriterion(sample), other)).Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentOutOfRangeException>(() => new ReconstructionCriterion(sample, 0));
        }
    }

    private static (DependencyGraph Graph, CalibrationSample Sample, Tensor[] Inputs) Collect(TwinNet net)
    {
        net.eval();
        using var generator = new Generator(5);
        Tensor[] inputs = [.. Enumerable.Range(0, 4).Select(_ => randn([4, 3, 8, 8], generator: generator))];
        var graph = DependencyGraph.Trace(net, inputs[0]);
        return (graph, CalibrationSample.Collect(net, graph, inputs), inputs);
    }
}
