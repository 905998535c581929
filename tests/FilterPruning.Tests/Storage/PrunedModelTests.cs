using FilterPruning.Criteria;
using FilterPruning.Planning;
using FilterPruning.Storage;
using FilterPruning.Tests.Tracing;

namespace FilterPruning.Tests.Storage;

public sealed class PrunedModelTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    private string File => Path.Combine(_folder, "pruned.safetensors");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(nameof(Nets.Chain))]
    [InlineData(nameof(Nets.Residual))]
    [InlineData(nameof(Nets.Concat))]
    [InlineData(nameof(Nets.Flatten))]
    [InlineData(nameof(Nets.SqueezeExcite))]
    [InlineData(nameof(Nets.SharedHead))]
    [InlineData(nameof(Nets.Depthwise))]
    [InlineData(nameof(Nets.Grouped))]
    public void A_fresh_model_becomes_the_saved_one(string name)
    {
        var build = typeof(Nets).GetMethod(name)!.CreateDelegate<Func<Net>>();
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var net = build();
        var example = rand(2, 3, 16, 16);
        var report = Pruner.Prune(net, example, new PruningOptions { Ratio = 0.5 });
        PrunedModel.Save(net, report.Plan, File);
        Assert.Single(Directory.GetFiles(_folder));
        var fresh = build();
        var handles = fresh.parameters().Select(parameter => parameter.Handle).ToList();

        PrunedModel.Load(fresh, File);

        Assert.Equal(handles, fresh.parameters().Select(parameter => parameter.Handle));
        net.eval();
        fresh.eval();
        Assert.True(net.call(example).equal(fresh.call(example)).all().item<bool>());
        Assert.Equal(report.Plan.ToJson(), PrunedModel.ReadPlan(File).ToJson());

        // The loaded model is a model like any other: it can be pruned further.
        var further = Pruner.Prune(fresh, example, new PruningOptions { Ratio = 0.3 });
        Assert.Equal(report.After.Parameters, further.Before.Parameters);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_model_pruned_twice_is_loaded_into_a_fresh_one(bool composed)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var net = Nets.Residual();
        var example = rand(2, 3, 16, 16);
        var first = Pruner.Prune(net, example, new PruningOptions { Ratio = 0.3 });
        var second = Pruner.Prune(net, example, new PruningOptions { Ratio = 0.4, Criterion = new RandomCriterion(1) });
        PrunedModel.Save(net, composed ? first.Plan.Then(second.Plan) : second.Plan, File);
        var fresh = Nets.Residual();
        PrunedModel.Load(fresh, File);
        net.eval();
        fresh.eval();
        Assert.True(net.call(example).equal(fresh.call(example)).all().item<bool>());
    }

    [Fact]
    public void A_model_that_does_not_fit_is_left_alone()
    {
        using var scope = NewDisposeScope();
        var net = Nets.Residual();
        var plan = Pruner.Prune(net, rand(2, 3, 16, 16), new PruningOptions { Ratio = 0.5 }).Plan;
        PrunedModel.Save(net, plan, File);

        Refused(Nets.Chain(), "'inner'");
        Refused(new Net((n, x) => x, ("first", Nets.Conv(3, 2)), ("inner", Nets.Conv(8, 8)), ("norm", nn.BatchNorm2d(8)), ("last", Nets.Conv(8, 5))), "narrower");
        Refused(new Net((n, x) => x, ("first", Nets.Conv(3, 8, 5)), ("inner", Nets.Conv(8, 8)), ("norm", nn.BatchNorm2d(8)), ("last", Nets.Conv(8, 5))), "'first.weight'");
        Refused(new Net((n, x) => x, ("first", Nets.Conv(3, 8)), ("inner", Nets.Conv(8, 8)), ("norm", nn.BatchNorm2d(8)), ("last", Nets.Conv(8, 5)), ("more", Nets.Conv(1, 1))), "'more.weight'");
        Refused(new Net((n, x) => x, ("first", nn.Linear(3, 8)), ("inner", Nets.Conv(8, 8)), ("norm", nn.BatchNorm2d(8)), ("last", Nets.Conv(8, 5))), "Linear");
        var half = Nets.Residual();
        half.to(ScalarType.Float64);
        Refused(half, "Float64");

        void Refused(Net model, string says)
        {
            var before = model.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());
            var error = Assert.Throws<PruningException>(() => PrunedModel.Load(model, File));
            Assert.Contains(says, error.Message, StringComparison.Ordinal);
            Assert.All(model.state_dict(), entry => Assert.True(entry.Value.shape.SequenceEqual(before[entry.Key].shape) && entry.Value.equal(before[entry.Key]).all().item<bool>()));
        }
    }

    [Fact]
    public void A_plan_that_was_not_applied_is_not_saved()
    {
        using var scope = NewDisposeScope();
        var plan = Pruner.Prune(Nets.Chain(), rand(2, 3, 16, 16), new PruningOptions { Ratio = 0.5 }).Plan;
        var error = Assert.Throws<PruningException>(() => PrunedModel.Save(Nets.Chain(), plan, File));
        Assert.Contains("'first' is 3 -> 8", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public void A_file_without_a_recipe_or_with_another_version_is_refused()
    {
        using var scope = NewDisposeScope();
        var net = Nets.Chain();
        var plan = Pruner.Prune(net, rand(2, 3, 16, 16), new PruningOptions { Ratio = 0.5 }).Plan;
        var tensors = net.state_dict().Select(entry => KeyValuePair.Create(entry.Key, entry.Value.detach())).ToList();
        Write([]);
        Assert.Contains("no pruning recipe", Refused(), StringComparison.Ordinal);
        Write(new() { [PrunedModel.PlanKey] = plan.ToJson(), [PrunedModel.FormatKey] = "9" });
        Assert.Contains("version '9'", Refused(), StringComparison.Ordinal);
        Write(new() { [PrunedModel.PlanKey] = plan.ToJson(), [PrunedModel.FormatKey] = "1", [PrunedModel.ArchitectureKey] = "0" });
        Assert.Contains("does not belong", Refused(), StringComparison.Ordinal);
        Write(new() { [PrunedModel.PlanKey] = "{}", [PrunedModel.FormatKey] = "1" });
        Assert.Contains("not a pruning plan", Refused(), StringComparison.Ordinal);

        void Write(Dictionary<string, string> metadata) => SafetensorsFile.Write(File, tensors, metadata);
        string Refused() => Assert.Throws<PruningException>(() => PrunedModel.Load(Nets.Chain(), File)).Message;
    }
}
