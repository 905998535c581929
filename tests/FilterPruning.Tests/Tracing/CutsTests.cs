using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning.Tests.Tracing;

/// <summary>The second path to the same truth: what tracing calls free can be cut, and the cut net equals its masked self.</summary>
public class CutsTests
{
    public static TheoryData<string> Names => [.. Nets.All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void What_is_free_can_be_cut(string name)
    {
        manual_seed(3);
        using var scope = NewDisposeScope();
        using var net = Nets.All[name]();
        var x = rand([2, 3, 8, 8], generator: new Generator(4));
        var graph = DependencyGraph.Trace(net, x);
        foreach (var criterion in new[] { 1, 2 })
        {
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.4, Criterion = new RandomCriterion(criterion) });
            using var cut = Surgeon.Apply(graph, plan);
            Assert.InRange(cut.ProofError, 0, 1e-4);
            cut.Undo();
        }
        Assert.True(graph.Groups.Any(group => group.Pin is null) || name is "SliceWritten" or "SoftmaxOverChannels" or "LayerNormBetween", "nothing is free");
    }
}
