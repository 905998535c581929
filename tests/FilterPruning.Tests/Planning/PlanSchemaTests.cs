using System.Text.Json.Nodes;
using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using FilterPruning.Tests.Shared;
using FilterPruning.Tests.Surgery;

namespace FilterPruning.Tests.Planning;

/// <summary>The published schema of plans, versions, and plans that leave out what the model tells.</summary>
public sealed class PlanSchemaTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    private static DependencyGraph Graph() => new TiedNet().Graph(TiedNet.Example());

    private static PruningPlan Plan(DependencyGraph graph, PruningOptions? options = null) => PruningPlanner.CreatePlan(graph, options ?? new PruningOptions { Ratio = 0.3, Criterion = new RandomCriterion(4) });

    private static string Changed(string json, Action<JsonObject> change)
    {
        var document = JsonNode.Parse(json)!.AsObject();
        change(document);
        return document.ToJsonString();
    }

    [Fact]
    public async Task Every_plan_that_is_written_follows_the_schema()
    {
        var graph = Graph();
        await PlanSchema.CheckCompleteAsync(Plan(graph).ToJson());
        await PlanSchema.CheckCompleteAsync(Plan(graph, new PruningOptions { Ratio = 0 }).ToJson());
        await PlanSchema.CheckCompleteAsync(Plan(graph, new PruningOptions { Target = PruningTarget.KeepMacsShare(0.6), Scope = PruningScope.Global, Normalization = ScoreNormalization.Standardized, Reduction = GroupReduction.Max }).ToJson());
        await PlanSchema.CheckCompleteAsync(Plan(graph, new PruningOptions { Ratio = 0.2, LayerRatios = [new LayerRatio("f*", 0.1)], MaximumLayerRatio = 0.5, KeepFrozen = true, Ignore = ["stem"], Scope = PruningScope.Isomorphic }).ToJson());
        var schema = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "schemas", "pruning-plan.schema.json"), TestContext.Current.CancellationToken))!["$defs"]!["settings"]!["properties"]!;
        foreach (var (name, type) in new[] { ("scope", typeof(PruningScope)), ("normalization", typeof(ScoreNormalization)), ("reduction", typeof(GroupReduction)) })
            Assert.Equal(Enum.GetNames(type).Order(StringComparer.Ordinal), schema[name]!["enum"]!.AsArray().Select(value => (string)value!).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("version", 2)]
    [InlineData("minorVersion", -1)]
    [InlineData("typo", 1)]
    [InlineData("layers", 1)]
    public async Task The_schema_refuses_what_the_reader_refuses(string field, int value)
    {
        var json = Changed(Plan(Graph()).ToJson(), document => document[field] = value);
        Assert.False(await PlanSchema.AcceptsAsync(json));
        Assert.ThrowsAny<PruningException>(() => PruningPlan.FromJson(json));
    }

    [Fact]
    public void A_later_version_is_refused_by_name()
    {
        var json = Changed(Plan(Graph()).ToJson(), document => document["version"] = 2);
        var error = Assert.Throws<PlanVersionException>(() => PruningPlan.FromJson(json));
        Assert.Equal(2, error.Version);
        Assert.Contains("version 2", error.Message, StringComparison.Ordinal);
        Assert.Throws<PlanVersionException>(() => PruningPlan.FromJson(json, Graph()));
    }

    [Fact]
    public void A_later_minor_version_is_read_without_what_it_adds()
    {
        var plan = Plan(Graph());
        var json = Changed(plan.ToJson(), document =>
        {
            document["addition"] = new JsonObject { ["a"] = 1 };
            document["settings"]!["addition"] = 1;
            document["layers"]![0]!["addition"] = new JsonArray(1, 2);
        });
        Assert.Contains("addition", Assert.Throws<PruningException>(() => PruningPlan.FromJson(json)).Message, StringComparison.Ordinal);
        var later = Changed(json, document => document["minorVersion"] = 3);
        Assert.Equal(plan.ToJson(), PruningPlan.FromJson(later).ToJson());
        Assert.Equal(plan.ToJson(), PruningPlan.FromJson(later, Graph()).ToJson());
    }

    [Fact]
    public async Task Annotations_and_the_schemas_place_are_passed_over()
    {
        var plan = Plan(Graph());
        var json = Changed(plan.ToJson(), document =>
        {
            document["$schema"] = "pruning-plan.schema.json";
            document["annotations"] = new JsonObject { ["by"] = "me" };
            document["minorVersion"] = 0;
        });
        Assert.True(await PlanSchema.AcceptsAsync(json));
        Assert.Equal(plan.ToJson(), PruningPlan.FromJson(json).ToJson());
    }

    [Fact]
    public async Task An_outline_of_layers_and_channels_is_completed_from_the_graph()
    {
        var graph = Graph();
        var plan = Plan(graph);
        var makers = plan.Layers.Where(layer => layer.RemovedOutputs.Count > 0).ToList();
        var outline = new JsonObject
        {
            ["version"] = 1,
            ["layers"] = new JsonArray([.. makers.Select(layer => (JsonNode)new JsonObject { ["name"] = layer.Name, ["removedOutputs"] = new JsonArray([.. layer.RemovedOutputs.Select(channel => (JsonNode)channel)]) })]),
        }.ToJsonString();
        Assert.True(await PlanSchema.AcceptsAsync(outline));
        Assert.Contains("missing required properties", Assert.Throws<PruningException>(() => PruningPlan.FromJson(outline)).Message, StringComparison.Ordinal);

        var complete = PruningPlan.FromJson(outline, graph);
        await PlanSchema.CheckCompleteAsync(complete.ToJson());
        Assert.Equal("external", complete.Settings.Criterion);
        Assert.Equal((plan.Before, plan.Predicted, plan.TotalGroups, plan.RemovedGroups), (complete.Before, complete.Predicted, complete.TotalGroups, complete.RemovedGroups));
        foreach (var (expected, actual) in plan.Layers.Zip(complete.Layers))
        {
            Assert.Equal((expected.Name, expected.Kind), (actual.Name, actual.Kind));
            Assert.Equal(expected.RemovedInputs, actual.RemovedInputs);
            Assert.Equal(expected.RemovedOutputs, actual.RemovedOutputs);
        }

        using var cut = Surgeon.Apply(graph, complete);
        Assert.Equal(complete.Predicted, ModelCost.Measure(graph));
    }

    [Theory]
    [InlineData("""{"version":1,"layers":[{"name":"stme","removedOutputs":[0]}]}""", "\"stem\"")]
    [InlineData("""{"version":1,"layers":[{"name":"stem","removedOutputs":[99]}]}""", "allowed are 0 to")]
    [InlineData("""{"version":1,"layers":[{"name":"stem","removedOutputs":[1,0]}]}""", "ascend")]
    [InlineData("""{"version":1,"layers":[{"name":"stem","removedOutputs":[0,0]}]}""", "ascend")]
    [InlineData("""{"version":1,"layers":[{"name":"stem","removedInputs":[0]}]}""", "must stay")]
    [InlineData("""{"version":1,"layers":[{"name":"stem","kind":"Linear"}]}""", "in the plan a Linear")]
    [InlineData("""{"version":1,"layers":[{"name":"stem","outputChannels":3}]}""", "channels wide")]
    [InlineData("""{"version":1,"layers":[{"name":"stem","removedOutputs":[0]},{"name":"stem"}]}""", "twice")]
    [InlineData("""{"version":1,"layers":[{"name":"stem","removedOutputs":[0]},{"name":"norm","removedOutputs":[]}]}""", "goes with")]
    [InlineData("""{"version":1,"layers":[{}]}""", "name")]
    [InlineData("""{"version":1,"layers":[null]}""", "null")]
    [InlineData("""{"version":1}""", "layers")]
    public void An_outline_that_does_not_fit_is_refused(string outline, string says)
    {
        var error = Assert.Throws<PruningException>(() => PruningPlan.FromJson(outline, Graph()));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_graph_as_JSON_lists_every_unit_of_every_group_once()
    {
        var graph = Graph();
        var json = JsonNode.Parse(graph.ToJson())!;
        Assert.Equal(graph.Layers.Select(layer => layer.Name), json["layers"]!.AsArray().Select(layer => (string)layer!["name"]!));
        var units = new List<string>();
        foreach (var role in json["roles"]!.AsArray())
        {
            foreach (var side in role!["sides"]!.AsArray())
            {
                Assert.Equal((int)role["groups"]!, side!["channels"]!.AsArray().Count);
                units.AddRange(side["channels"]!.AsArray().SelectMany(group => group!.AsArray()).Select(channel => $"{side["layer"]} {side["side"]} {channel}"));
            }
        }

        Assert.Equal(graph.Groups.SelectMany(group => group.Members).Select(member => $"{member.Layer} {(member.Axis == ChannelAxis.Input ? "inputs" : "outputs")} {member.Channel}").Order(StringComparer.Ordinal), units.Order(StringComparer.Ordinal));
        Assert.Equal(graph.Groups.Count(group => group.Pin is null), json["roles"]!.AsArray().Where(role => (bool)role!["prunable"]!).Sum(role => (int)role!["groups"]!));
    }
}
