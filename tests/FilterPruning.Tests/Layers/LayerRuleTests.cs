using FilterPruning.Layers;
using static TorchSharp.torch.nn;

namespace FilterPruning.Tests.LayerTypes;

public class LayerRuleTests
{
    public static TheoryData<string, Func<Module<Tensor, Tensor>>, long[], ChannelMapping, long> Layers => new()
    {
        // kind, layer, input, mapping, multiply-accumulates per connected pair
        { "Conv1d", () => Conv1d(4, 6, 3, padding: 1), [2, 4, 10], ChannelMapping.Dense, 2 * 10 * 3 },
        { "Conv2d", () => Conv2d(4, 6, 3, stride: 2, padding: 1), [2, 4, 8, 8], ChannelMapping.Dense, 2 * 4 * 4 * 9 },
        { "Conv2d", () => Conv2d(4, 6, 3, padding: 1), [4, 8, 8], ChannelMapping.Dense, 8 * 8 * 9 },
        { "Conv2d", () => Conv2d(4, 6, 1, groups: 2, bias: false), [2, 4, 8, 8], ChannelMapping.Grouped, 2 * 64 },
        { "Conv2d", () => Conv2d(4, 4, 3, padding: 1, groups: 4), [2, 4, 8, 8], ChannelMapping.ChannelWise, 2 * 64 * 9 },
        { "Conv3d", () => Conv3d(4, 6, 1), [2, 4, 2, 3, 5], ChannelMapping.Dense, 2 * 30 },
        { "ConvTranspose1d", () => ConvTranspose1d(4, 6, 2, stride: 2), [2, 4, 5], ChannelMapping.Dense, 2 * 5 * 2 },
        { "ConvTranspose2d", () => ConvTranspose2d(4, 6, 2, stride: 2), [2, 4, 8, 8], ChannelMapping.Dense, 2 * 64 * 4 },
        { "ConvTranspose2d", () => ConvTranspose2d(4, 4, 2, stride: 2, groups: 4), [2, 4, 8, 8], ChannelMapping.ChannelWise, 2 * 64 * 4 },
        { "ConvTranspose3d", () => ConvTranspose3d(4, 6, 1), [2, 4, 2, 3, 5], ChannelMapping.Dense, 2 * 30 },
        { "Linear", () => Linear(4, 6), [2, 7, 4], ChannelMapping.Dense, 14 },
        { "BatchNorm1d", () => BatchNorm1d(4), [2, 4], ChannelMapping.ChannelWise, 0 },
        { "BatchNorm2d", () => BatchNorm2d(4), [2, 4, 8, 8], ChannelMapping.ChannelWise, 0 },
        { "BatchNorm3d", () => BatchNorm3d(4, affine: false), [2, 4, 2, 3, 5], ChannelMapping.ChannelWise, 0 },
        { "InstanceNorm2d", () => InstanceNorm2d(4, affine: true, track_running_stats: true), [2, 4, 8, 8], ChannelMapping.ChannelWise, 0 },
        { "PReLU", () => PReLU(4), [2, 4, 8, 8], ChannelMapping.ChannelWise, 0 },
    };

    [Theory]
    [MemberData(nameof(Layers))]
    public void A_rule_describes_its_layer(string kind, Func<Module<Tensor, Tensor>> create, long[] inputShape, ChannelMapping mapping, long macs)
    {
        using var scope = NewDisposeScope();
        using var layer = create();
        layer.eval();
        var rule = new LayerRules().Find(layer)!;
        Assert.Equal(kind, rule.Kind);
        Assert.Equal(mapping, rule.Mapping(layer));
        var input = randn(inputShape);
        var output = layer.call(input);
        Assert.Equal(rule.InputChannels(layer), input.shape[rule.InputAxis(layer, input)]);
        Assert.Equal(rule.OutputChannels(layer), output.shape[rule.OutputAxis(layer, output)]);
        Assert.Equal(macs, rule.MacsPerPair(layer, input.shape, output.shape));
        foreach (var part in rule.Tensors(layer))
        {
            Assert.Equal(layer.state_dict()[part.Name].shape, part.Tensor.shape);
            if (part.OutputAxis is { } o) Assert.Equal(rule.OutputChannels(layer), part.Tensor.shape[o]);
            if (part.InputAxis is { } i) Assert.Equal(rule.InputChannels(layer) / rule.Blocks(layer), part.Tensor.shape[i]);
        }
        var counted = rule.Tensors(layer).Where(part => part.Role == TensorRole.Weight).Select(part => part.Name).Order();
        Assert.Equal(layer.named_parameters().Select(pair => pair.name).Order(), counted);
    }

    [Theory]
    [MemberData(nameof(Layers))]
    public void Widths_can_be_written(string kind, Func<Module<Tensor, Tensor>> create, long[] inputShape, ChannelMapping mapping, long macs)
    {
        _ = (kind, inputShape, macs);
        using var layer = create();
        var rule = new LayerRules().Find(layer)!;
        var outputs = mapping == ChannelMapping.ChannelWise ? 2 : 4;
        rule.SetWidths(layer, 2, outputs);
        Assert.Equal((2, outputs, mapping), (rule.InputChannels(layer), rule.OutputChannels(layer), rule.Mapping(layer)));
    }

    private sealed class OwnRule : LayerRule
    {
        public override string Kind => "Own";

        public override bool Handles(Module module) => module is Marked or TorchSharp.Modules.Conv2d;

        public override int InputChannels(Module module) => 1;

        public override int OutputChannels(Module module) => 1;

        public override int InputAxis(Module module, Tensor input) => 1;

        public override int OutputAxis(Module module, Tensor output) => 1;

        public override IReadOnlyList<ChannelTensor> Tensors(Module module) => [];

        public override void SetWidths(Module module, int inputChannels, int outputChannels) => throw new NotSupportedException();
    }

    [LayerRule(typeof(OwnRule))]
    private sealed class Marked() : Module<Tensor, Tensor>("marked")
    {
        public override Tensor forward(Tensor input) => input;
    }

    [LayerRule(typeof(string))]
    private sealed class Wrong() : Module<Tensor, Tensor>("wrong")
    {
        public override Tensor forward(Tensor input) => input;
    }

    [Fact]
    public void A_mark_on_a_class_is_found_and_a_given_rule_wins_over_a_built_in_one()
    {
        using var marked = new Marked();
        using var conv = Conv2d(2, 2, 1);
        Assert.Equal("Own", new LayerRules().Find(marked)!.Kind);
        Assert.Equal("Conv2d", new LayerRules().Find(conv)!.Kind);
        Assert.Equal("Own", new LayerRules([new OwnRule()]).Find(conv)!.Kind);
    }

    [Fact]
    public void A_mark_that_names_no_rule_is_refused()
    {
        using var wrong = new Wrong();
        Assert.Contains("no usable rule", Assert.Throws<PruningException>(() => new LayerRules().Find(wrong)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Modules_without_channels_have_no_rule()
    {
        using var relu = ReLU();
        using var prelu = PReLU(1);
        Assert.Null(new LayerRules().Find(relu));
        Assert.Null(new LayerRules().Find(prelu));
    }
}
