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

    [Theory]
    [InlineData(2, true)]
    [InlineData(3, true)]
    [InlineData(2, false)]
    [InlineData(3, false)]
    public void A_model_cut_several_times_with_training_between_is_loaded_into_a_fresh_one(int cuts, bool composed)
    {
        using var scope = NewDisposeScope();
        var net = Nets.Mobile();
        var example = rand(2, 3, 8, 8);
        using var optimizer = new TorchSharp.Modules.Adam(net.parameters(), 1e-3);
        PruningPlan? all = null, last = null;
        for (var cut = 0; cut < cuts; cut++)
        {
            net.train();
            optimizer.zero_grad();
            net.call(example).square().mean().backward();
            optimizer.step();
            last = Pruner.Prune(net, example, new PruningOptions { Ratio = 0.3, Criterion = new RandomCriterion(cut), Optimizers = [optimizer] }).Plan;
            all = all is null ? last : all.Then(last);
        }

        var plan = composed ? all! : last!;
        PrunedModel.Save(net, plan, File);
        var fresh = Nets.Mobile();
        PrunedModel.Load(fresh, File);
        AssertSameAnswers(net, fresh, example);
        Assert.Equal(plan.ToJson(), PrunedModel.ReadPlan(File).ToJson());

        // The joined plan leads from the first model to the last one by itself.
        using var noGrad = no_grad();
        var other = Nets.Mobile();
        var widths = Graph.DependencyGraph.Trace(other, example);
        if (composed)
        {
            using var once = FilterPruning.Surgery.Surgeon.Apply(widths, all!);
            Assert.Equal(net.state_dict().Select(entry => (entry.Key, string.Join(",", entry.Value.shape))), other.state_dict().Select(entry => (entry.Key, string.Join(",", entry.Value.shape))));
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float64)]
    public void Types_are_kept_and_another_type_is_refused(ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var net = Nets.Mobile();
        net.to(type);
        var example = rand(2, 3, 8, 8).to(type);
        PrunedModel.Save(net, Pruner.Prune(net, example, new PruningOptions { Ratio = 0.5 }).Plan, File);
        var fresh = Nets.Mobile();
        Assert.Contains("convert the model first", Assert.Throws<PruningException>(() => PrunedModel.Load(fresh, File)).Message, StringComparison.Ordinal);
        fresh.to(type);
        PrunedModel.Load(fresh, File);
        Assert.All(fresh.parameters(), parameter => Assert.Equal(type, parameter.dtype));
        AssertSameAnswers(net, fresh, example);
    }

    [Fact]
    public void Frozen_layers_stay_frozen_and_flags_and_hooks_stay()
    {
        using var scope = NewDisposeScope();
        var net = Nets.Mobile();
        var example = rand(2, 3, 8, 8);
        PrunedModel.Save(net, Pruner.Prune(net, example, new PruningOptions { Ratio = 0.5 }).Plan, File);
        var fresh = Nets.Mobile();
        foreach (var parameter in fresh["expand"].parameters().Concat(fresh["norm2"].parameters()))
            parameter.requires_grad = false;
        fresh.train();
        fresh["norm1"].eval();
        var calls = 0;
        fresh["first"].register_forward_hook((_, _, output) =>
        {
            calls++;
            return output;
        });
        var before = fresh.named_parameters().Select(entry => (entry.name, entry.parameter.Handle, entry.parameter.requires_grad)).ToList();

        PrunedModel.Load(fresh, File);

        Assert.Equal(before, fresh.named_parameters().Select(entry => (entry.name, entry.parameter.Handle, entry.parameter.requires_grad)));
        Assert.True(fresh.training && fresh["last"].training && !fresh["norm1"].training);
        Assert.Equal(0, calls);
        AssertSameAnswers(net, fresh, example);
        Assert.Equal(1, calls);
        fresh.call(example).square().mean().backward();
        Assert.All(fresh.parameters(), parameter => Assert.Equal(parameter.requires_grad, parameter.grad is not null));
    }

    /// <summary>A module under two names, as when a list and a field hold the same layer.</summary>
    [Fact]
    public void A_module_registered_twice_is_saved_and_loaded()
    {
        using var scope = NewDisposeScope();
        var net = Build();
        var example = rand(2, 3, 8, 8);
        var plan = Pruner.Prune(net, example, new PruningOptions { Ratio = 0.5 }).Plan;
        Assert.Equal(4, net["shared"].parameters().First().shape[0]);
        PrunedModel.Save(net, plan, File);
        var fresh = Build();
        PrunedModel.Load(fresh, File);
        AssertSameAnswers(net, fresh, example);

        static Net Build()
        {
            var shared = Nets.Conv(8, 8);
            return new Net(
                (n, x) => n.Call("last", n.Call("again", n.Call("shared", n.Call("first", x).relu()).relu()).relu()),
                ("first", Nets.Conv(3, 8)), ("shared", shared), ("again", shared), ("last", Nets.Conv(8, 5)));
        }
    }

    [Fact]
    public void Two_layers_with_one_weight_are_saved_and_loaded()
    {
        using var scope = NewDisposeScope();
        var net = Build();
        var example = rand(2, 3, 8, 8);
        var plan = Pruner.Prune(net, example, new PruningOptions { Ratio = 0.5, Ignore = ["first", "one", "two"] }).Plan;
        PrunedModel.Save(net, plan, File);
        var fresh = Build();
        PrunedModel.Load(fresh, File);
        AssertSameAnswers(net, fresh, example);
        Assert.Equal(fresh["one"].parameters().First().Handle, fresh["two"].parameters().First().Handle);

        static Net Build()
        {
            var (one, two) = (Nets.Conv(8, 8), Nets.Conv(8, 8));
            two.weight = one.weight;
            return new Net(
                (n, x) => n.Call("last", n.Call("inner", n.Call("two", n.Call("one", n.Call("first", x).relu()).relu()).relu()).relu()),
                ("first", Nets.Conv(3, 8)), ("one", one), ("two", two), ("inner", Nets.Conv(8, 6)), ("last", Nets.Conv(6, 5)));
        }
    }

    /// <summary>The same tensors, but two of them changed places: names and shapes agree with no model but their own.</summary>
    [Fact]
    public void The_fingerprint_tells_architectures_of_equal_shapes_apart()
    {
        using var scope = NewDisposeScope();
        var net = Nets.Chain();
        var plan = Pruner.Prune(net, rand(2, 3, 16, 16), new PruningOptions { Ratio = 0.5 }).Plan;
        PrunedModel.Save(net, plan, File);
        var metadata = new Dictionary<string, string>();
        using (var file = SafetensorsFile.Open(File))
        {
            foreach (var (key, value) in file.Metadata)
                metadata[key] = value;
        }

        Assert.Matches("^[0-9a-f]{64}$", metadata[PrunedModel.ArchitectureKey]);
        metadata[PrunedModel.ArchitectureKey] = metadata[PrunedModel.ArchitectureKey].Replace('0', '1').Replace('a', 'b');
        SafetensorsFile.Write(File, net.state_dict().Select(entry => KeyValuePair.Create(entry.Key, entry.Value.detach())), metadata);
        var fresh = Nets.Chain();
        var before = FilterPruning.Tests.Surgery.State.Of(fresh);
        Assert.Contains("does not belong", Assert.Throws<PruningException>(() => PrunedModel.Load(fresh, File)).Message, StringComparison.Ordinal);
        before.AssertSame(fresh);
    }

    private static void AssertSameAnswers(Net one, Net other, Tensor example)
    {
        using var noGrad = no_grad();
        one.eval();
        other.eval();
        Assert.True(one.call(example).equal(other.call(example)).all().item<bool>());
    }
}
