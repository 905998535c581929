using FilterPruning.Criteria;
using FilterPruning.Graph;
using static TorchSharp.torch.nn;

namespace FilterPruning.Tests.Criteria;

public class ModelScoresTests
{
    [Fact]
    public void Every_layer_with_filters_is_scored_as_a_planner_scores_it()
    {
        using var scope = NewDisposeScope();
        manual_seed(0);
        using var model = Sequential(("first", Conv2d(3, 6, 3)), ("norm", BatchNorm2d(6)), ("up", ConvTranspose2d(6, 8, 2, 2, groups: 2)), ("flat", Flatten()), ("last", Linear(8 * 4 * 4, 5)));
        var graph = DependencyGraph.Trace(model, rand(2, 3, 4, 4));
        foreach (var criterion in new IPruningCriterion[] { new L1Criterion(), new L2Criterion(), new LpCriterion(3) })
        {
            var scores = ModelScores.Of(model, criterion);
            Assert.Equal(["first", "up", "last"], scores.Keys);
            foreach (var (layer, found) in scores)
                Assert.Equal(Bank.Scores(criterion, graph, layer), found.Select(score => (double)score));
        }
    }

    [Fact]
    public void A_shared_layer_is_scored_once_and_a_model_that_is_a_layer_has_no_path()
    {
        using var linear = Linear(4, 3);
        using var twice = Sequential(("a", linear), ("b", Linear(3, 4)), ("c", linear));
        Assert.Equal(["a", "b"], ModelScores.Of(twice, new L1Criterion()).Keys);
        Assert.Equal([""], ModelScores.Of(linear, new L1Criterion()).Keys);
    }

    [Fact]
    public void A_criterion_that_needs_preparation_says_so()
    {
        using var model = Linear(4, 3);
        Assert.Throws<PruningException>(() => ModelScores.Of(model, new BatchNormScaleCriterion()));
    }
}
