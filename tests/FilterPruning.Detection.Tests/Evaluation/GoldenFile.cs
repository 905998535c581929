using System.Text.Json;

namespace FilterPruning.Detection.Tests.Evaluation;

/// <summary>Reference data that lies beside its generator in a folder Golden.</summary>
internal static class GoldenFile
{
    public static JsonDocument Open(string name)
    {
        using var stream = typeof(GoldenFile).Assembly.GetManifestResourceStream(name);
        Assert.NotNull(stream);
        return JsonDocument.Parse(stream);
    }
}
