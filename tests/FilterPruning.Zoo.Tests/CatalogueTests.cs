namespace FilterPruning.Zoo;

public sealed class CatalogueTests
{
    [Theory]
    [MemberData(nameof(ZooCatalogue.Names), MemberType = typeof(ZooCatalogue))]
    public void EveryInstanceHasTheSameArchitecture(string name)
    {
        using var scope = NewDisposeScope();
        using var first = ZooCatalogue.All[name].Create();
        using var second = ZooCatalogue.All[name].Create();
        Assert.Equal(Shapes(first), Shapes(second));

        static IEnumerable<string> Shapes(nn.Module model) => model.state_dict().Select(entry => $"{entry.Key} [{string.Join(", ", entry.Value.shape)}]");
    }
}
