using FilterPruning;
namespace FilterPruning.Tests;

public class SmokeTests
{
    [Fact]
    public void Torch_runs() => Assert.Equal(3, ones(3).sum().item<float>());
}
