using System.Text.Json.Nodes;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Tests.Data;
using FilterPruning.Detection.Tests.ModelTests;
using FilterPruning.Detection.Torchvision;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Storage;
using FilterPruning.Surgery;
using FilterPruning.Tests.Shared;

namespace FilterPruning.Detection.Tests.TorchvisionTests;

/// <summary>Plans made here are applied to torchvision's model, plans made in Python are applied here, and both ways give the same tensors bit for bit.</summary>
public sealed class PlanInterchangeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    private static string Script(string name) => Path.GetFullPath(Path.Combine(ParityFixture.Folder, "..", "..", "..", "samples", "python", name));

    [Theory]
    [InlineData("resnet18", BackboneNorm.Live)]
    [InlineData("resnet50", BackboneNorm.Frozen)]
    public void A_plan_made_here_gives_the_same_tensors_in_torchvision(string backbone, BackboneNorm norm)
    {
        DebianTorchvision.SkipWhenMissing();
        var (model, description, graph) = Dense(backbone, norm);
        TorchvisionExporter.Export(model, description, _folder.File("dense"));
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.37, Scope = PruningScope.Global, Normalization = ScoreNormalization.Mean });
        File.WriteAllText(_folder.File("plan.json"), plan.ToJson());
        using var cut = Surgeon.Apply(graph, plan);
        TorchvisionExporter.Export(model, description, _folder.File("here"));

        DebianTorchvision.Run(Script("apply_plan.py"), _folder.File("dense"), _folder.File("plan.json"), _folder.File("there"));
        CheckSameExport();
    }

    [Fact]
    public async Task A_plan_made_in_Python_is_applied_here()
    {
        DebianTorchvision.SkipWhenMissing();
        var (model, description, graph) = Dense("resnet18", BackboneNorm.Frozen);
        TorchvisionExporter.Export(model, description, _folder.File("dense"));
        await File.WriteAllTextAsync(_folder.File("groups.json"), graph.ToJson(), TestContext.Current.CancellationToken);
        DebianTorchvision.Run(Script("make_plan.py"), _folder.File("groups.json"), _folder.File("dense"), "0.3", _folder.File("plan.json"));
        var json = await File.ReadAllTextAsync(_folder.File("plan.json"), TestContext.Current.CancellationToken);
        Assert.True(await PlanSchema.AcceptsAsync(json));

        var plan = PruningPlan.FromJson(json, graph);
        var own = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.3 });
        foreach (var (expected, actual) in own.Layers.Zip(plan.Layers)) // the same ranking, computed twice
            Assert.True(expected.RemovedOutputs.SequenceEqual(actual.RemovedOutputs) && expected.RemovedInputs.SequenceEqual(actual.RemovedInputs), expected.Name);
        using (var cut = Surgeon.Apply(graph, plan))
            Assert.InRange(cut.ProofError, 0, 1e-4);
        TorchvisionExporter.Export(model, description, _folder.File("here"));

        DebianTorchvision.Run(Script("apply_plan.py"), _folder.File("dense"), _folder.File("plan.json"), _folder.File("there"));
        CheckSameExport();
    }

    [Fact]
    public void A_plan_for_another_model_is_refused_there()
    {
        DebianTorchvision.SkipWhenMissing();
        var (model, description, graph) = Dense("resnet18", BackboneNorm.Frozen);
        TorchvisionExporter.Export(model, description, _folder.File("dense"));
        var plan = JsonNode.Parse(PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.3 }).ToJson())!;
        plan["layers"]![0]!["name"] = "backbone.body.conv7";
        File.WriteAllText(_folder.File("plan.json"), plan.ToJsonString());
        var error = DebianTorchvision.RunToFailure(Script("apply_plan.py"), _folder.File("dense"), _folder.File("plan.json"), _folder.File("there"));
        Assert.Contains("backbone.body.conv7", error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.File("there")));
    }

    private static (MaskRcnnModel Model, DetectorDescription Description, DependencyGraph Graph) Dense(string backbone, BackboneNorm norm)
    {
        var model = MaskRcnn.Create($"maskrcnn_{backbone}_fpn", 3, Small.Options with { Norm = norm });
        ParityFormula.Fill(model, "plans", basic: backbone == "resnet18");
        model.eval();
        using var generator = new Generator(5);
        var image = rand(3, 64, 64, generator: generator);
        var graph = DependencyGraph.Trace(model, detector => detector.Detect([image]));
        return (model, new DetectorDescription { Model = $"maskrcnn_{backbone}_fpn", ClassNames = ["one", "two"], Options = model.Options }, graph);
    }

    private void CheckSameExport()
    {
        using var here = SafetensorsFile.Open(_folder.File("here/model.safetensors"));
        using var there = SafetensorsFile.Open(_folder.File("there/model.safetensors"));
        Assert.Equal(here.Names.Order(StringComparer.Ordinal), there.Names.Order(StringComparer.Ordinal));
        foreach (var name in here.Names)
        {
            using var scope = NewDisposeScope();
            var (expected, actual) = (here.Read(name), there.Read(name));
            Assert.Equal(expected.shape, actual.shape);
            Assert.True(expected.equal(actual).all().item<bool>(), name);
        }

        static JsonNode Widths(string path) => JsonNode.Parse(File.ReadAllText(path))!;
        Assert.True(JsonNode.DeepEquals(Widths(_folder.File("here/widths.json")), Widths(_folder.File("there/widths.json"))));
    }
}
