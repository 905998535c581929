using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;
using FilterPruning.Storage;

namespace FilterPruning.Cli.Tests;

/// <summary>Starting from a file that has a part of the weights: what is taken, what is not, and what is said about it.</summary>
public sealed class InitialWeightsTests : IDisposable
{
    private const float Marked = 7;

    private readonly TemporaryFolder _folder = new();

    private static MaskRcnnOptions Narrow => new() { MinSize = 64, MaxSize = 64, BackboneWidth = 16, FpnChannels = 16, RepresentationSize = 32, MaskChannels = 16, MaskReducedChannels = 16 };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_backbone_without_some_convolutions_is_taken_but_for_their_norms()
    {
        WriteBackbone("layer4.0.conv1.weight", "layer4.1.conv2.weight");
        using var model = MaskRcnn.ResNet18Fpn(2, Narrow);
        var fresh = model.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());

        var said = InitialWeights.Load(model, _folder["partial.safetensors"]);

        var loaded = model.state_dict();
        string[] own = ["layer4.0.conv1", "layer4.0.bn1", "layer4.1.conv2", "layer4.1.bn2"];
        foreach (var (name, value) in loaded)
        {
            var taken = name.StartsWith("backbone.body.", StringComparison.Ordinal) && !own.Any(module => name.StartsWith($"backbone.body.{module}.", StringComparison.Ordinal));
            using var expected = taken ? full_like(value, Marked) : fresh[name].clone();
            Assert.True(value.equal(expected).all().item<bool>(), name);
        }

        Assert.Contains("trained from scratch without its norms' old values: backbone.body.layer4.0.conv1.weight, backbone.body.layer4.1.conv2.weight.", said, StringComparison.Ordinal);
        Assert.Contains("New at random: backbone.fpn, rpn, roi_heads.box_head", said, StringComparison.Ordinal);
        Assert.Contains("Trained: backbone.body.layer2, backbone.body.layer3, backbone.body.layer4, backbone.fpn, rpn,", said, StringComparison.Ordinal);
        foreach (var value in fresh.Values)
            value.Dispose();
    }

    [Fact]
    public void A_missing_weight_that_is_not_trained_is_refused()
    {
        WriteBackbone("layer1.0.conv1.weight", "layer4.0.conv1.weight");
        using var model = MaskRcnn.ResNet18Fpn(2, Narrow);
        var error = Assert.Throws<PruningException>(() => InitialWeights.Load(model, _folder["partial.safetensors"]));
        Assert.Contains("lacks backbone.body.layer1.0.conv1.weight, which", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_whole_detector_leaves_nothing_to_chance()
    {
        using var model = MaskRcnn.ResNet18Fpn(2, Narrow);
        DetectorFile.Save(model, new DetectorDescription { Model = "maskrcnn_resnet18_fpn", ClassNames = ["thing"], Options = Narrow }, _folder["whole.safetensors"]);
        var said = InitialWeights.Load(model, _folder["whole.safetensors"]);
        Assert.DoesNotContain("Missing", said, StringComparison.Ordinal);
        Assert.DoesNotContain("random", said, StringComparison.Ordinal);
    }

    // The norms of the shared ResNet-18 weights are folded into its convolutions: with the recipe's frozen norms, weight / sqrt(var + eps) is 1 and the mean 0.
    [Fact]
    public void The_folded_ResNet_18_weights_fit_the_recipes_model()
    {
        var file = DevelopmentData.Find("weights/resnet18_imagenet_partial.safetensors");
        using var model = TrainingRecipes.PennFudanResNet18.CreateModel();
        var said = InitialWeights.Load(model, file);
        foreach (var convolution in new[] { "0.conv1", "0.conv2", "1.conv1", "1.conv2" })
            Assert.Contains($"backbone.body.layer4.{convolution}.weight", said, StringComparison.Ordinal);

        using var scope = NewDisposeScope();
        var state = model.state_dict();
        var norms = state.Keys.Where(name => name.StartsWith("backbone.body.", StringComparison.Ordinal) && name.EndsWith(".running_var", StringComparison.Ordinal)).Select(name => name[..^".running_var".Length]).ToList();
        Assert.Equal(20, norms.Count);
        foreach (var norm in norms)
        {
            var scale = state[norm + ".weight"] / (state[norm + ".running_var"] + TrainingRecipes.PennFudanResNet18.Model.NormEps).sqrt();
            Assert.True((scale - 1).abs().max().item<float>() < 1e-5, norm);
            Assert.Equal(0, state[norm + ".running_mean"].abs().max().item<float>());
        }
    }

    /// <summary>A classifier's backbone in which every number is <see cref="Marked"/>, without some of its tensors.</summary>
    private void WriteBackbone(params string[] without)
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(2, Narrow);
        const string prefix = "backbone.body.";
        var tensors = model.state_dict().Where(entry => entry.Key.StartsWith(prefix, StringComparison.Ordinal) && !without.Contains(entry.Key[prefix.Length..]))
            .Select(entry => KeyValuePair.Create(entry.Key[prefix.Length..], full_like(entry.Value.detach(), Marked)));
        SafetensorsFile.Write(_folder["partial.safetensors"], tensors);
    }
}
