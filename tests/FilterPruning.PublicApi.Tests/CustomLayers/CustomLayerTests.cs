using System.Reflection;
using System.Runtime.CompilerServices;
using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Planning;
using FilterPruning.Storage;
using FilterPruning.Surgery;
using TorchSharp.Modules;

namespace FilterPruning.PublicApi.Tests.CustomLayers;

/// <summary>Layers of a user's own, described from outside the library: traced, pruned, proved, trained on, saved, loaded, undone.</summary>
public sealed class CustomLayerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    public static TheoryData<string, bool> Cases => new()
    {
        { nameof(LowRankConv2d), false },
        { nameof(LowRankConv2d), true },
        { nameof(ChannelAffine), false },
        { nameof(ChannelAffine), true },
        { nameof(StandardizedConv2d), true },
    };

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void These_tests_see_only_what_everybody_sees()
    {
        var friends = typeof(Pruner).Assembly.GetCustomAttributes<InternalsVisibleToAttribute>().Select(friend => friend.AssemblyName.Split(',')[0]);
        Assert.DoesNotContain(typeof(CustomLayerTests).Assembly.GetName().Name, friends);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_layer_of_ones_own_goes_the_whole_way(string layer, bool ruleGiven)
    {
        using var scope = NewDisposeScope();
        var rules = ruleGiven ? Rules : [];
        var (net, example) = (Build(layer), rand(2, 3, 8, 8));
        using var optimizer = optim.Adam(net.parameters(), 1e-3);
        Train(net, example, optimizer);
        var context = new PruningContext { Trace = new TraceOptions { Rules = rules } };

        var report = Pruner.Prune(net, example, new PruningOptions { Ratio = 0.5, VerifyTrace = true, Optimizers = [optimizer] }, context);

        Assert.InRange(report.ProofError, 0, 1e-5);
        Assert.Equal(report.Plan.Predicted, report.After);
        Assert.Equal(report.After.Parameters, net.parameters().Sum(parameter => parameter.numel()));
        var mine = report.Layers.Single(traced => traced.Kind == layer);
        Assert.True(mine.After < mine.Before && mine.InputsAfter < mine.InputsBefore, $"{mine}");
        Train(net, example, optimizer);

        var path = Path.Combine(_folder, "model.safetensors");
        PrunedModel.Save(net, report.Plan, path, rules);
        var fresh = Build(layer);
        PrunedModel.Load(fresh, path, rules);
        net.eval();
        fresh.eval();
        using var noGrad = no_grad();
        Assert.True(net.call(example).equal(fresh.call(example)).all().item<bool>());
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_cut_through_a_layer_of_ones_own_can_be_undone(string layer, bool ruleGiven)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var (net, example) = (Build(layer), rand(2, 3, 8, 8));
        net.eval();
        var before = net.call(example);
        var graph = DependencyGraph.Trace(net, example, new TraceOptions { Rules = ruleGiven ? Rules : [] });
        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 }));
        Assert.False(before.equal(net.call(example)).all().item<bool>());
        cut.Undo();
        Assert.True(before.equal(net.call(example)).all().item<bool>());
    }

    [Fact]
    public void A_rule_given_to_the_trace_comes_before_the_attribute()
    {
        using var scope = NewDisposeScope();
        var graph = DependencyGraph.Trace(Build(nameof(ChannelAffine)), rand(2, 3, 8, 8), new TraceOptions { Rules = [new OtherNameRule()] });
        Assert.Contains(graph.Layers, layer => layer.Kind == "another name");
    }

    /// <summary>What happens to a first attempt: a rule that forgets a tensor, or names the wrong axis.</summary>
    [Fact]
    public void A_wrong_rule_is_found_out_and_the_model_is_left_alone()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var (net, example) = (Build(nameof(StandardizedConv2d)), rand(2, 3, 8, 8));
        net.eval();
        var before = net.call(example);
        var context = new PruningContext { Trace = new TraceOptions { Rules = [new ForgetfulRule()] } };
        var error = Assert.Throws<PruningException>(() => Pruner.Prune(net, example, new PruningOptions { Ratio = 0.5 }, context));
        Assert.Contains("'mine'", error.Message, StringComparison.Ordinal);
        Assert.True(before.equal(net.call(example)).all().item<bool>());
    }

    private static IReadOnlyList<LayerRule> Rules => [new LowRankConv2dRule(), new ChannelAffineRule(), new StandardizedConv2dRule()];

    private static Sequential Build(string layer)
    {
        manual_seed(4);
        nn.Module<Tensor, Tensor> mine = layer switch
        {
            nameof(LowRankConv2d) => new LowRankConv2d(12, 10, 3, rank: 4),
            nameof(ChannelAffine) => new ChannelAffine(12),
            _ => new StandardizedConv2d(12, 10, 3),
        };
        var width = layer == nameof(ChannelAffine) ? 12 : 10;
        return nn.Sequential(
            ("first", nn.Conv2d(3, 12, 3, padding: 1)), ("act", nn.ReLU()), ("mine", mine), ("act2", nn.ReLU()), ("last", nn.Conv2d(width, 5, 1)));
    }

    private static void Train(Sequential net, Tensor example, optim.Optimizer optimizer)
    {
        net.train();
        optimizer.zero_grad();
        net.call(example).square().mean().backward();
        optimizer.step();
    }

    private sealed class OtherNameRule : LayerRule
    {
        private readonly ChannelAffineRule _rule = new();

        public override string Kind => "another name";

        public override bool Handles(nn.Module module) => _rule.Handles(module);

        public override ChannelMapping Mapping(nn.Module module) => _rule.Mapping(module);

        public override int InputChannels(nn.Module module) => _rule.InputChannels(module);

        public override int OutputChannels(nn.Module module) => _rule.OutputChannels(module);

        public override int InputAxis(nn.Module module, Tensor input) => _rule.InputAxis(module, input);

        public override int OutputAxis(nn.Module module, Tensor output) => _rule.OutputAxis(module, output);

        public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module) => _rule.Tensors(module);

        public override void SetWidths(nn.Module module, int inputChannels, int outputChannels) => _rule.SetWidths(module, inputChannels, outputChannels);
    }

    /// <summary>Says nothing of <see cref="LayerRule.OutputsOn"/>, so that zeros are taken for a removal.</summary>
    private sealed class ForgetfulRule : LayerRule
    {
        private readonly StandardizedConv2dRule _rule = new();

        public override string Kind => "forgetful";

        public override bool Handles(nn.Module module) => _rule.Handles(module);

        public override int InputChannels(nn.Module module) => _rule.InputChannels(module);

        public override int OutputChannels(nn.Module module) => _rule.OutputChannels(module);

        public override int InputAxis(nn.Module module, Tensor input) => 1;

        public override int OutputAxis(nn.Module module, Tensor output) => 1;

        public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module) => _rule.Tensors(module);

        public override ChannelTensor Filters(nn.Module module) => _rule.Filters(module);

        public override void SetWidths(nn.Module module, int inputChannels, int outputChannels)
        {
        }
    }
}
