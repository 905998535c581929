using FilterPruning.Detection.Ops;
using FilterPruning.Layers;

namespace FilterPruning.Detection.Tests.Ops;

public class FrozenBatchNorm2dTests
{
    [Fact]
    public void The_state_dict_has_torchvisions_keys_and_round_trips()
    {
        using var scope = NewDisposeScope();
        using var norm = Random(4);
        using var other = new FrozenBatchNorm2d(4);
        Assert.Equal(["weight", "bias", "running_mean", "running_var"], norm.state_dict().Keys);
        Assert.Empty(norm.parameters());
        other.load_state_dict(norm.state_dict());
        var input = RandomBoxes.Normal(2, 2, 4, 3, 3);
        Assert.InRange(RandomBoxes.LargestDifference(norm.call(input), other.call(input)), 0, 0);
    }

    [Fact]
    public void Train_and_eval_mode_are_the_same_and_change_nothing()
    {
        using var scope = NewDisposeScope();
        using var norm = Random(3);
        var before = norm.state_dict().Values.Select(t => t.data<float>().ToArray()).ToArray();
        var input = RandomBoxes.Normal(3, 2, 3, 5, 4);
        norm.train();
        var first = norm.call(input);
        norm.eval();
        Assert.InRange(RandomBoxes.LargestDifference(first, norm.call(input)), 0, 0);
        Assert.Equal(before, norm.state_dict().Values.Select(t => t.data<float>().ToArray()));
    }

    [Fact]
    public void Buffers_narrowed_in_place_take_effect_at_once()
    {
        using var scope = NewDisposeScope();
        using var norm = Random(5);
        var input = RandomBoxes.Normal(4, 1, 5, 2, 2);
        var whole = norm.call(input);
        var kept = tensor(new long[] { 0, 3 });
        foreach (var buffer in new FrozenBatchNormRule().Tensors(norm))
            buffer.Tensor.set_(buffer.Tensor.index_select(0, kept));
        Assert.Equal(2, norm.NumFeatures);
        Assert.InRange(RandomBoxes.LargestDifference(norm.call(input.index_select(1, kept)), whole.index_select(1, kept)), 0, 1e-6);
    }

    [Fact]
    public void The_module_owns_its_buffers_whatever_scope_it_is_made_or_moved_in()
    {
        var before = LiveTensors.Settled();
        FrozenBatchNorm2d norm;
        using (NewDisposeScope())
            norm = new FrozenBatchNorm2d(3);
        using (NewDisposeScope())
            norm.to(ScalarType.Float64);
        using (NewDisposeScope())
            Assert.Equal(ScalarType.Float64, norm.call(ones([1, 3, 2, 2], ScalarType.Float64)).dtype);
        norm.Dispose();
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1e-5)]
    [InlineData(0.5)]
    public void The_output_is_the_affine_map_of_the_definition(double eps)
    {
        using var scope = NewDisposeScope();
        using var norm = Random(3, eps);
        norm.to(ScalarType.Float64);
        var input = RandomBoxes.Normal(5, 2, 3, 4, 5).to(ScalarType.Float64);
        var state = norm.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.view(1, -1, 1, 1));
        var expected = ((input - state["running_mean"]) / (state["running_var"] + eps).sqrt() * state["weight"]) + state["bias"];
        Assert.InRange(RandomBoxes.LargestDifference(norm.call(input), expected), 0, 1e-12);
    }

    [Fact]
    public void The_rule_describes_four_channel_vectors()
    {
        using var norm = Random(6);
        var attribute = Assert.Single(typeof(FrozenBatchNorm2d).GetCustomAttributes(typeof(LayerRuleAttribute), false).Cast<LayerRuleAttribute>());
        var rule = Assert.IsAssignableFrom<LayerRule>(Activator.CreateInstance(attribute.RuleType));
        Assert.True(rule.Handles(norm));
        Assert.Equal(ChannelMapping.ChannelWise, rule.Mapping(norm));
        Assert.Equal((6, 6), (rule.InputChannels(norm), rule.OutputChannels(norm)));
        Assert.Equal(
            [("weight", TensorRole.Weight), ("bias", TensorRole.Weight), ("running_mean", TensorRole.Statistic), ("running_var", TensorRole.Statistic)],
            rule.Tensors(norm).Select(t => (t.Name, t.Role)));
        Assert.All(rule.Tensors(norm), t => Assert.Equal((0, null), (t.OutputAxis, t.InputAxis)));
        using var linear = nn.Linear(1, 1);
        Assert.Throws<ArgumentException>(() => rule.Tensors(linear));
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        using var scope = NewDisposeScope();
        using var norm = Random(3);
        var input = ones(1, 3, 2, 2);
        Leaks.AssertNone(() => norm.call(input), expected: 1);
    }

    private static FrozenBatchNorm2d Random(int channels, double eps = 1e-5)
    {
        using var scope = NewDisposeScope();
        var norm = new FrozenBatchNorm2d(channels, eps);
        var seed = 0;
        foreach (var (name, buffer) in norm.state_dict())
        {
            var values = RandomBoxes.Normal(seed++, channels);
            buffer.copy_(name == "running_var" ? values.abs() + 0.1 : values);
        }

        return norm;
    }
}
