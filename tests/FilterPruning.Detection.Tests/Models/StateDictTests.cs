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
}
