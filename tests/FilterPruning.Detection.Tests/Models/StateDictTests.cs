using System.Text.Json;
using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Tests.ModelTests;

public class StateDictTests
{
    private sealed record Entry(long[] Shape, bool Trained);

    [Fact]
    public void Keys_shapes_and_trained_parameters_are_torchvisions()
    {
        var golden = JsonSerializer.Deserialize<Dictionary<string, Entry>>(File.ReadAllText(Path.Combine(ParityFixture.Folder, "maskrcnn_resnet50_fpn.keys.json")), JsonSerializerOptions.Web)!;
        using var model = MaskRcnn.ResNet50Fpn(91);
        var state = model.state_dict();
        Assert.Equal(golden.Keys.Order(), state.Keys.Order());
        foreach (var (key, entry) in golden)
            Assert.Equal(entry.Shape, state[key].shape);

        Assert.Equal(44_454_513, state.Where(s => !s.Key.Contains("running", StringComparison.Ordinal)).Sum(s => s.Value.NumberOfElements));
        Assert.Equal(
            golden.Where(g => g.Value.Trained).Select(g => g.Key).Order(),
            model.named_parameters().Where(p => p.parameter.requires_grad).Select(p => p.name).Order());
    }

    [Theory]
    [InlineData("roi_heads.mask_head.mask_fcn1.weight", "roi_heads.mask_head.0.0.weight")]
    [InlineData("roi_heads.mask_head.mask_fcn4.bias", "roi_heads.mask_head.3.0.bias")]
    [InlineData("rpn.head.conv.weight", "rpn.head.conv.0.0.weight")]
    [InlineData("backbone.fpn.inner_blocks.0.weight", "backbone.fpn.inner_blocks.0.0.weight")]
    [InlineData("backbone.fpn.layer_blocks.3.bias", "backbone.fpn.layer_blocks.3.0.bias")]
    [InlineData("conv1.weight", "backbone.body.conv1.weight")]
    [InlineData("bn1.running_var", "backbone.body.bn1.running_var")]
    [InlineData("layer1.0.downsample.1.weight", "backbone.body.layer1.0.downsample.1.weight")]
    [InlineData("fc.weight", null)]
    [InlineData("fc.bias", null)]
    [InlineData("something.else", "something.else")]
    public void Old_keys_become_present_ones(string old, string? present) => Assert.Equal(present, TorchvisionKeys.Migrate(old));

    [Fact]
    public void Present_keys_stay_as_they_are()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        Assert.All(model.state_dict().Keys, key => Assert.Equal(key, TorchvisionKeys.Migrate(key)));
    }

    [Fact]
    public void A_seed_fixes_the_weights_and_leaves_the_global_random_state_alone()
    {
        using var scope = NewDisposeScope();
        torch.random.manual_seed(5);
        var expected = rand(4);
        torch.random.manual_seed(5);
        using var first = MaskRcnn.ResNet18Fpn(3, Small.Options with { Seed = 1 });
        Assert.True(expected.equal(rand(4)).all().item<bool>());

        using var same = MaskRcnn.ResNet18Fpn(3, Small.Options with { Seed = 1 });
        using var other = MaskRcnn.ResNet18Fpn(3, Small.Options with { Seed = 2 });
        var (a, b, c) = (first.state_dict(), same.state_dict(), other.state_dict());
        foreach (var (key, value) in a)
        {
            Assert.True(value.equal(b[key]).all().item<bool>(), key);
            if (key.EndsWith("weight", StringComparison.Ordinal) && value.dim() > 1)
                Assert.False(value.equal(c[key]).all().item<bool>(), key);
        }
    }

    // torchvision's initial distributions: the standard deviation, and how far a value may reach (infinite for a normal distribution).
    [Theory]
    [InlineData("backbone.body.conv1.weight", "normal", 2.0 / (64 * 49))]
    [InlineData("backbone.body.layer3.1.conv2.weight", "normal", 2.0 / (256 * 9))]
    [InlineData("backbone.fpn.inner_blocks.1.0.weight", "uniform", 1.0 / 128)]
    [InlineData("backbone.fpn.layer_blocks.0.0.weight", "uniform", 1.0 / (256 * 9))]
    [InlineData("rpn.head.conv.0.0.weight", "normal", 1e-4)]
    [InlineData("roi_heads.box_head.fc6.weight", "uniform", 1.0 / 12544 / 3)]
    [InlineData("roi_heads.box_predictor.bbox_pred.weight", "uniform", 1.0 / 1024 / 3)]
    [InlineData("roi_heads.box_head.fc7.bias", "uniform", 1.0 / 1024 / 3)]
    [InlineData("roi_heads.mask_head.2.0.weight", "normal", 2.0 / (256 * 9))]
    [InlineData("roi_heads.mask_predictor.conv5_mask.weight", "normal", 2.0 / (256 * 4))]
    [InlineData("roi_heads.mask_predictor.conv5_mask.bias", "uniform", 1.0 / (256 * 4) / 3)]
    public void Initial_weights_follow_torchvisions_distributions(string key, string distribution, double variance)
    {
        using var scope = NewDisposeScope();
        var weight = _resNet18.Value.state_dict()[key].detach();
        // Four standard errors of the mean, of the variance of a normal distribution, and the reach of a uniform one.
        var errors = 4 / Math.Sqrt(weight.NumberOfElements);
        Assert.Equal(0, weight.mean().item<float>(), errors * Math.Sqrt(variance));
        Assert.Equal(1, weight.square().mean().item<float>() / variance, errors * Math.Sqrt(2));
        var reach = weight.abs().max().item<float>() / Math.Sqrt(3 * variance);
        Assert.Equal(distribution == "uniform", reach <= 1.0001);
    }

    [Fact]
    public void Biases_without_a_distribution_and_norms_begin_neutral()
    {
        using var scope = NewDisposeScope();
        foreach (var (key, value) in _resNet18.Value.state_dict())
        {
            if (key.Contains("bn", StringComparison.Ordinal))
                Assert.True(value.eq(key.EndsWith("weight", StringComparison.Ordinal) || key.EndsWith("var", StringComparison.Ordinal) ? 1 : 0).all().item<bool>(), key);
            else if (key.EndsWith("bias", StringComparison.Ordinal) && !key.Contains("box_", StringComparison.Ordinal) && !key.Contains("mask_predictor", StringComparison.Ordinal))
                Assert.True(value.eq(0).all().item<bool>() || key.Contains("downsample", StringComparison.Ordinal), key);
        }
    }

    [Fact]
    public void A_state_dict_carries_a_model_over()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var from = MaskRcnn.ResNet18Fpn(3, Small.Options with { Norm = BackboneNorm.Live });
        using var to = MaskRcnn.ResNet18Fpn(3, Small.Options with { Norm = BackboneNorm.Live, Seed = 9 });
        from.Losses(Small.Images(), Small.Targets());
        from.eval();
        to.eval();
        to.load_state_dict(from.state_dict());
        Assert.True(from.Detect(Small.Images())[1].Masks.equal(to.Detect(Small.Images())[1].Masks).all().item<bool>());
    }

    private static readonly Lazy<MaskRcnnModel> _resNet18 = new(() => MaskRcnn.ResNet18Fpn(5));
}
