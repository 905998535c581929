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

    [Fact]
    public void Without_a_rule_the_channels_around_a_layer_stay()
    {
        using var scope = NewDisposeScope();
        var report = Pruner.Prune(Build(nameof(StandardizedConv2d)), rand(2, 3, 8, 8), new PruningOptions { Ratio = 0.5 });
        Assert.Equal(report.Before, report.After);
    }

    /// <summary>A factor for each channel needs no rule.</summary>
    [Fact]
    public void A_parameter_that_works_channel_by_channel_is_found_without_a_rule()
    {
        using var scope = NewDisposeScope();
        var net = nn.Sequential(("first", nn.Conv2d(3, 12, 3, padding: 1)), ("scale", new Scale(12)), ("last", nn.Conv2d(12, 5, 1)));
        Pruner.Prune(net, rand(2, 3, 8, 8), new PruningOptions { Ratio = 0.5 });
        Assert.Equal([6, 1, 1], net.get_parameter("scale.factor")!.shape);
    }

    public static TheoryData<string, LayerRule, string> WrongRules => new()
    {
        { nameof(StandardizedConv2d), new NoOutputsRule(), "layer 'mine' by" },
        { nameof(LowRankConv2d), new NoBiasRule(), "bias of size [10]" },
        { nameof(LowRankConv2d), new NoAxisRule(), "no tensor with an input axis" },
    };

    /// <summary>What becomes of a first attempt.</summary>
    [Theory]
    [MemberData(nameof(WrongRules), DisableDiscoveryEnumeration = true)]
    public void A_wrong_rule_is_found_out_and_the_model_is_left_alone(string layer, LayerRule rule, string says)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var (net, example) = (Build(layer), rand(2, 3, 8, 8));
        net.eval();
        var before = net.call(example);
        var context = new PruningContext { Trace = new TraceOptions { Rules = [rule] } };
        var error = Assert.Throws<PruningException>(() => Pruner.Prune(net, example, new PruningOptions { Ratio = 0.5 }, context));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.True(before.equal(net.call(example)).all().item<bool>());
    }

    /// <summary>Twelve channels come in, the rule counts four: nothing can be told, so nothing is removed around it.</summary>
    [Fact]
    public void A_rule_that_miscounts_channels_is_told_so()
    {
        using var scope = NewDisposeScope();
        var context = new PruningContext { Trace = new TraceOptions { Rules = [new WrongAxisRule()] } };
        var error = Assert.Throws<PruningException>(() => Pruner.Prune(Build(nameof(LowRankConv2d)), rand(2, 3, 8, 8), new PruningOptions { Ratio = 0.5 }, context));
        Assert.Contains("input of layer 'mine' has 4 channels along axis 1", error.Message, StringComparison.Ordinal);
    }

    private static List<LayerRule> Rules => [new LowRankConv2dRule(), new ChannelAffineRule(), new StandardizedConv2dRule()];

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

    private sealed class Scale : nn.Module<Tensor, Tensor>
    {
        private readonly Parameter factor;

        public Scale(int channels)
            : base(nameof(Scale))
        {
            factor = new Parameter(rand(channels, 1, 1) + 0.5);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => input * factor;
    }

    private sealed class OtherNameRule : LayerRule<ChannelAffine>
    {
        public override string Kind => "another name";

        public override ChannelMapping Mapping(nn.Module module) => ChannelMapping.ChannelWise;

        protected override IReadOnlyList<ChannelTensor> Describe(ChannelAffine layer) => new ChannelAffineRule().Tensors(layer);
    }

    /// <summary>Says nothing of <see cref="LayerRule.OutputsOn"/>, so that zeros are taken for a removal.</summary>
    private sealed class NoOutputsRule : LayerRule<StandardizedConv2d>
    {
        protected override IReadOnlyList<ChannelTensor> Describe(StandardizedConv2d layer) => [new("weight", layer.weight, outputAxis: 0, inputAxis: 1)];
    }

    /// <summary>Forgets the bias.</summary>
    private sealed class NoBiasRule : LayerRule<LowRankConv2d>
    {
        protected override IReadOnlyList<ChannelTensor> Describe(LowRankConv2d layer) =>
            [new("up", layer.up, outputAxis: 0, inputAxis: null), new("down", layer.down, outputAxis: null, inputAxis: 1)];
    }

    /// <summary>Takes the rank for the input channels.</summary>
    private sealed class WrongAxisRule : LayerRule<LowRankConv2d>
    {
        protected override IReadOnlyList<ChannelTensor> Describe(LowRankConv2d layer) => [new("up", layer.up, outputAxis: 0, inputAxis: 1), new("bias", layer.bias, 0, null)];
    }

    /// <summary>Names no input axis.</summary>
    private sealed class NoAxisRule : LayerRule<LowRankConv2d>
    {
        protected override IReadOnlyList<ChannelTensor> Describe(LowRankConv2d layer) => [new("up", layer.up, outputAxis: 0, inputAxis: null)];
    }
}
