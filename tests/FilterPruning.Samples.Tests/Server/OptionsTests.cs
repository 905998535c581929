using DetectionServer;

namespace FilterPruning.Samples.Tests.Server;

public class OptionsTests
{
    [Fact]
    public void All_settings_that_cannot_be_used_are_named_at_once()
    {
        var error = Assert.Throws<ArgumentException>(() => DetectionApp.Create(["--Detection:Workers=0", "--Detection:MaxPixels=5", "--Detection:DenseModel=missing.safetensors"]));
        foreach (var part in new[] { "Workers is 0, allowed is 1 to 64", "MaxPixels is 5", "DenseModel is 'missing.safetensors', which is no file", "without PrunedModel" })
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_settings_of_the_file_are_the_defaults()
    {
        using var app = DetectionApp.Create([]) as IDisposable;
        var services = ((Microsoft.AspNetCore.Builder.WebApplication)app!).Services;
        Assert.Equal(new ServerOptions(), services.GetService(typeof(ServerOptions)));
    }
}
