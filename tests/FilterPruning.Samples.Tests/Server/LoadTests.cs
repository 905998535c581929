using DetectionServer.Load;

namespace FilterPruning.Samples.Tests.Server;

/// <summary>More than the server can do.</summary>
[Collection(SharedServer.Name)]
public class LoadTests(RealServer real)
{
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(2);

    [Fact]
    public async Task At_twice_its_capacity_it_refuses_some_and_loses_nothing()
    {
        var load = new LoadGenerator(real.Client, "detect?model=pruned", Pictures.Scene());
        var capacity = await load.MeasureCapacity(clients: 3, Duration);
        LoadResult result;
        var factor = 2;
        var accepted = 0d;
        var refused = 0d;
        do
        {
            (accepted, refused) = (await real.Server.Metric("detection_accepted_total"), await real.Server.Metric("""detection_requests_total{endpoint="detect",outcome="refused"}"""));
            result = await load.Offer(factor * capacity, (int)(factor * capacity * Duration.TotalSeconds) + 20, seed: factor);
            factor *= 2; // whatever else ran while the capacity was measured may be over
        }
        while (result.Refused.Count == 0 && factor <= 16);

        Assert.Equal(0, result.Lost);
        Assert.NotEmpty(result.Refused);
        Assert.NotEmpty(result.Answered);
        Assert.All(result.Refused, reply => Assert.True(reply.SaysWhenToRetry));
        // What was accepted was answered, and what was not was refused: both sides have the same counts.
        Assert.Equal(result.Answered.Count, await real.Server.Metric("detection_accepted_total") - accepted);
        Assert.Equal(result.Refused.Count, await real.Server.Metric("""detection_requests_total{endpoint="detect",outcome="refused"}""") - refused);
        // Never late: before an accepted request are at most those that fill the queue and the one in work.
        Assert.All(result.Answered, reply => Assert.InRange(reply.Ahead, 0, 3 + 1));
    }

    [Theory]
    [InlineData("http://example.com")]
    [InlineData("https://127.0.0.1")]
    [InlineData("127.0.0.1")]
    public void Only_this_machine_is_loaded(string address) => Assert.Throws<ArgumentException>(() => LoadGenerator.Loopback(address));
}
