using FilterPruning.Fuzz.Core;
using FilterPruning.Fuzz.Engine;

namespace FilterPruning.Tests.Storage;

/// <summary>A short run of the fuzzer without coverage, from the seeds that the long runs found (./build.sh fuzz).</summary>
public sealed class ShortFuzzTests
{
    private const int Inputs = 3000;

    [Theory]
    [InlineData("safetensors")]
    [InlineData("pth")]
    [InlineData("pickle")]
    [InlineData("recipe")]
    [InlineData("plan")]
    [InlineData("scan")]
    [InlineData("latency")]
    public void Broken_files_are_read_or_refused_within_bounds(string reader)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "fixtures", "fuzz", reader);
        var seeds = Directory.Exists(folder) ? Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal).Select(File.ReadAllBytes) : [];
        var result = new Fuzzer(Target(reader), seed: 20).Run(seeds, Inputs);
        Assert.Empty(result.Findings.Select(finding => $"{finding.What} Input: {Convert.ToHexString(finding.Input)}"));
        Assert.InRange(result.Accepted, 2, result.Inputs - 2);
    }

    private static ReaderTarget Target(string reader) => reader switch
    {
        "safetensors" => new SafetensorsTarget(),
        "pth" => new PthTarget(),
        "pickle" => new PickleTarget(),
        "recipe" => new RecipeTarget(),
        "plan" => new PlanTarget(),
        "scan" => new ScanTarget(),
        _ => new LatencyTarget(),
    };
}
