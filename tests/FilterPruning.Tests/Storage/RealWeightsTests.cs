using FilterPruning.Storage;

namespace FilterPruning.Tests.Storage;

/// <summary>Published weights, where FILTERPRUNING_DATA names a folder that has them. The expected numbers were taken with NumPy, in double precision, from the raw bytes.</summary>
public class RealWeightsTests
{
    private static string Weights(string name)
    {
        var folder = Environment.GetEnvironmentVariable("FILTERPRUNING_DATA");
        Assert.SkipWhen(string.IsNullOrEmpty(folder), "FILTERPRUNING_DATA is not set.");
        return Path.Combine(folder!, "weights", name);
    }

    [Theory]
    [InlineData("resnet50_imagenet.safetensors", 320, 25_610_205, 1208289.8308796661)]
    [InlineData("resnet18_imagenet_partial.safetensors", 118, 3_441_596, 100869.09965353005)]
    public void A_whole_network_is_read(string name, int tensors, long numbers, double sumOfMagnitudes)
    {
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(Weights(name));
        Assert.Equal(tensors, file.Entries.Count);
        Assert.True(file.Metadata.ContainsKey("source"));
        var all = file.ReadAll();
        Assert.Equal(numbers, all.Values.Sum(tensor => tensor.numel()));

        // Two double sums of n terms in different orders agree to about n·2⁻⁵³ relative; 1e-9 is that for 25 million.
        var sum = all.Values.Sum(tensor => tensor.to(ScalarType.Float64).abs().sum().item<double>());
        Assert.Equal(sumOfMagnitudes, sum, sumOfMagnitudes * 1e-9);
    }

    [Theory]
    [InlineData("resnet50_imagenet.safetensors", "conv1.weight", ScalarType.Float16, -727.0066713690758, 41.96875, -1.9013671875)]
    [InlineData("resnet50_imagenet.safetensors", "bn1.running_var", ScalarType.Float32, 773893.4765625, 134940.296875, 2491.037109375)]
    [InlineData("resnet50_imagenet.safetensors", "fc.weight", ScalarType.Float16, 7.406761169433594, 0.7939453125, 0.027374267578125)]
    [InlineData("resnet18_imagenet_partial.safetensors", "layer3.0.conv2.weight", ScalarType.Float32, -511.77346249261734, 0.563919186592102, -0.03187236189842224)]
    public void A_tensor_has_its_published_numbers(string file, string name, ScalarType type, double sum, double largest, double last)
    {
        using var scope = NewDisposeScope();
        using var source = SafetensorsFile.Open(Weights(file));
        var stored = source.Read(name);
        Assert.Equal(type, stored.dtype);
        var numbers = stored.to(ScalarType.Float64).reshape(-1);
        Assert.Equal(sum, numbers.sum().item<double>(), 1e-6);
        Assert.Equal(largest, numbers.abs().max().item<double>());
        Assert.Equal(last, numbers[-1].item<double>());
    }
}
