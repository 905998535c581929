using FilterPruning.Criteria;
using FilterPruning.Planning;
using FilterPruning.Tests.Surgery;

namespace FilterPruning.Tests.Planning;

public class PlanJsonTests
{
    private static PruningPlan Plan(double ratio = 0.3)
    {
        using var scope = NewDisposeScope();
        return PruningPlanner.CreatePlan(
            new TiedNet().Graph(TiedNet.Example()), new PruningOptions { Ratio = ratio, Scope = PruningScope.Global, Criterion = new RandomCriterion(4), Ignore = ["f*"] });
    }

    [Fact]
    public void A_plan_survives_writing_and_reading_byte_for_byte()
    {
        var plan = Plan();
        var json = plan.ToJson();
        var back = PruningPlan.FromJson(json);
        Assert.Equal(json, back.ToJson());
        Assert.Equal(plan.ToText(), back.ToText());
        Assert.Equal(plan.Settings with { Ignore = back.Settings.Ignore }, back.Settings);
        Assert.Equal((plan.Before, plan.Predicted, plan.RemovedGroups, plan.TotalGroups), (back.Before, back.Predicted, back.RemovedGroups, back.TotalGroups));
        foreach (var (a, b) in plan.Layers.Zip(back.Layers))
        {
            Assert.Equal(a with { RemovedInputs = b.RemovedInputs, RemovedOutputs = b.RemovedOutputs }, b);
            Assert.Equal(a.RemovedInputs, b.RemovedInputs);
            Assert.Equal(a.RemovedOutputs, b.RemovedOutputs);
        }

        Assert.DoesNotContain('\r', json);
        Assert.Equal(4, back.Settings.Seed);
    }

    [Theory]
    [InlineData("\"version\": 1", "\"version\": \"1\"", "version")]
    [InlineData("\"ratio\": 0.3", "\"ratio\": NaN", "not a pruning plan")]
    [InlineData("\"ratio\": 0.3", "\"ratio\": 1.3", "ratio is 1.3")]
    [InlineData("\"ratio\": 0.3", "\"ratio\": 1e999", "ratio")]
    [InlineData("\"ratio\": 0.3", "\"ratio\": 0.3, \"other\": 1", "other")]
    [InlineData("\"ratio\": 0.3", "\"ratio\": 0.3, \"ratio\": 0.3", "ratio")]
    [InlineData("\"scope\": \"Global\"", "\"scope\": \"Cosmic\"", "scope")]
    [InlineData("\"scope\": \"Global\"", "\"scope\": 1", "scope")]
    [InlineData("\"name\": \"norm\"", "\"name\": \"stem\"", "'stem' is listed twice")]
    [InlineData("\"name\": \"norm\"", "\"name\": null", "name")]
    [InlineData("\"name\": \"norm\",", "", "name")]
    [InlineData("\"version\": 1", "\"version\": 0", "version 0")]
    public void Damaged_text_is_refused(string from, string to, string says)
    {
        var json = Plan().ToJson();
        Assert.Contains(from, json, StringComparison.Ordinal);
        var error = Assert.Throws<PruningException>(() => PruningPlan.FromJson(json.Replace(from, to, StringComparison.Ordinal)));
        Assert.Contains(says, error.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("[-1]", "-1")]
    [InlineData("[12]", "0 to 11")]
    [InlineData("[3,3]", "twice")]
    [InlineData("[4,3]", "ascend")]
    [InlineData("[1.5]", "whole number")]
    [InlineData("[\"1\"]", "whole number")]
    [InlineData("[99999999999]", "whole number")]
    [InlineData("3", "not a pruning plan")]
    [InlineData("null", "not a pruning plan")]
    [InlineData("[0,1,2,3,4,5,6,7,8,9,10,11]", "at least one must stay")]
    public void Damaged_indices_are_refused(string indices, string says)
    {
        var json = Plan().ToJson();
        var start = json.IndexOf("\"removedOutputs\": [", StringComparison.Ordinal);
        start = json.IndexOf('[', start);
        json = json[..start] + indices + json[(json.IndexOf(']', start) + 1)..];
        var error = Assert.Throws<PruningException>(() => PruningPlan.FromJson(json));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"version\": 1}")]
    [InlineData("{\"version\": 1")]
    public void Other_text_is_refused(string json) => Assert.Throws<PruningException>(() => PruningPlan.FromJson(json));

    [Fact]
    public void Two_plans_compose_into_one_with_the_same_widths()
    {
        using var scope = NewDisposeScope();
        var net = new TiedNet();
        var example = TiedNet.Example();
        var graph = net.Graph(example);
        var first = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.3 });
        using var firstCut = FilterPruning.Surgery.Surgeon.Apply(graph, first);
        graph = net.Graph(example);
        var second = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.4, Criterion = new RandomCriterion(2) });
        using var secondCut = FilterPruning.Surgery.Surgeon.Apply(graph, second);

        var both = first.Then(second);
        Assert.Equal((first.Before, second.Predicted), (both.Before, both.Predicted));
        var fresh = new TiedNet();
        using var cut = FilterPruning.Surgery.Surgeon.Apply(fresh.Graph(example), both);
        foreach (var (name, value) in fresh.state_dict())
            Assert.True(value.equal(net.state_dict()[name]).all().item<bool>(), name);
        Assert.Throws<PruningException>(() => second.Then(first));
    }
}
