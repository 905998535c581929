namespace FilterPruning.Zoo;

public sealed class ZooTests
{
    [Theory]
    [MemberData(nameof(ZooCatalogue.Names), MemberType = typeof(ZooCatalogue))]
    public void What_must_hold_for_any_model_holds(string name)
    {
        try
        {
            ZooCheck.Run(ZooCatalogue.All[name], ZooConfiguration.All);
        }
        catch (ZooFailureException failure)
        {
            Assert.Fail(failure.Message);
        }
    }
}
