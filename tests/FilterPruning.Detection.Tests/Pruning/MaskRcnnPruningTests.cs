using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning.Detection.Tests.Pruning;

public class MaskRcnnPruningTests
{
    /// <summary>Millions of parameters left by another pruning library's local L1 run on torchvision's maskrcnn_resnet50_fpn, frozen norms counted.</summary>
    private static readonly double[] _reference = [44.45, 35.96, 28.42, 21.85, 16.07, 11.25, 7.20, 4.07, 1.85, 0.48];

    [Fact]
    public void Widths_follow_the_ratio_and_the_cut_model_equals_its_masked_self()
    {
        using var scope = NewDisposeScope();
        var model = MaskRcnn.ResNet50Fpn(91, new MaskRcnnOptions { MinSize = 64, MaxSize = 64 });
        using var generator = new Generator(1, CPU);
        var image = rand(3, 64, 64, generator: generator);
        var graph = DependencyGraph.Trace(model, m => m.Detect([image]));
        foreach (var pruningScope in new[] { PruningScope.Local, PruningScope.Global, PruningScope.Isomorphic })
        {
            Cost? previous = null;
            for (var tenth = 0; tenth < 10; tenth++)
            {
                var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = tenth / 10.0, Scope = pruningScope });
                if (pruningScope == PruningScope.Local)
                    Assert.InRange(plan.Predicted.Parameters / 1e6 / _reference[tenth], 0.99, 1.01);
                Assert.True(previous is not { } last || (plan.Predicted.Parameters < last.Parameters && plan.Predicted.Macs < last.Macs));
                previous = plan.Predicted;
            }
        }

        var chosen = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.4, Scope = PruningScope.Global, Normalization = ScoreNormalization.Mean });
        using var cut = Surgeon.Apply(graph, chosen);
        Assert.InRange(cut.ProofError, 0, 1e-4);
        Assert.Empty(cut.Proof.NotExercised);
        Assert.Equal(chosen.Predicted, ModelCost.Measure(graph));
        Assert.Equal(chosen.Predicted.Parameters, model.state_dict().Where(entry => !entry.Key.Contains("running", StringComparison.Ordinal)).Sum(entry => entry.Value.numel()));
    }
}
