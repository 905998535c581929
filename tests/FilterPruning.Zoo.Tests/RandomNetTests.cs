using System.Globalization;

namespace FilterPruning.Zoo;

public sealed class RandomNetTests
{
    /// <summary>Some seeds; as many as the environment variable <c>FILTERPRUNING_ZOO_RANDOM</c> says.</summary>
    public static TheoryData<int> Seeds =>
        [.. Enumerable.Range(0, int.TryParse(Environment.GetEnvironmentVariable("FILTERPRUNING_ZOO_RANDOM"), CultureInfo.InvariantCulture, out var count) ? count : 16)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void What_must_hold_for_any_model_holds_for_random_nets(int seed)
    {
        try
        {
            ZooCheck.Run(RandomNets.Of(seed), ZooConfiguration.All);
        }
        catch (ZooFailureException failure)
        {
            Assert.Fail(failure.Message);
        }
    }
}
