using FilterPruning.Criteria;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Tests.ModelTests;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning.Detection.Tests.Pruning;

public class MaskRcnnCriteriaTests
{
    [Fact]
    public void Every_criterion_scores_a_detector_and_its_plan_can_be_cut()
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        var (images, targets) = (Small.Images(), Small.Targets());
        var graph = DependencyGraph.Trace(model, m => m.Detect(images));
        var batches = CalibrationBatches.From(2, i =>
        {
            using var generator = new Generator((ulong)i, CPU);
            return model.Losses([images[i]], [targets[i]], generator).Total();
        });
        var criteria = new IPruningCriterion[]
        {
            new LpCriterion(3), new GeometricMedianCriterion(), new LampCriterion(), new BatchNormScaleCriterion(),
            new TaylorCriterion(batches), new FisherCriterion(batches), new ApozCriterion(batches), new MeanActivationCriterion(batches),
            new RankProductCriterion(new L1Criterion(), new TaylorCriterion(batches)),
        };
        var before = model.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());
        foreach (var criterion in criteria)
        {
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.4, Criterion = criterion });
            Assert.True(plan.RemovedGroups > 0.3 * plan.TotalGroups, criterion.Name);
        }

        Assert.All(model.state_dict(), entry => Assert.True(entry.Value.equal(before[entry.Key]).all().item<bool>(), entry.Key));
        Assert.All(model.parameters(), parameter => Assert.Null(parameter.grad));
        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.4, Criterion = criteria[^1] }));
        Assert.InRange(cut.ProofError, 0, 1e-4);
    }
}
