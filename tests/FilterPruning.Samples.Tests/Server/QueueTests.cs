using System.Net;

namespace FilterPruning.Samples.Tests.Server;

/// <summary>What is accepted is answered, what is not is refused at once: with detectors that the test holds back, so that nothing depends on time.</summary>
public class QueueTests
{
    private static readonly byte[] Picture = Pictures.Blank(8, 8);

    [Fact]
    public async Task A_full_queue_refuses_without_waiting_for_a_worker_and_answers_what_it_accepted()
    {
        var detectors = new GatedDetectors();
        await using var server = await StartReady(detectors, "QueueLength=2");
        var accepted = await Fill(server, detectors, waiting: 2);

        // No worker moves before the gate is opened, so these answers waited for none.
        foreach (var refused in await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => server.Client.Send("detect", Picture))))
        {
            Assert.Contains("2 requests are waiting", await refused.Problem(429), StringComparison.Ordinal);
            Assert.True(refused.Headers.RetryAfter?.Delta >= TimeSpan.FromSeconds(1));
        }

        detectors.Open(3);
        foreach (var (answer, position) in (await Task.WhenAll(accepted)).Select((answer, position) => (answer, position)))
        {
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal(position, (int)(await answer.Json())["ahead"]!);
        }

        Assert.Equal(3, await server.Metric("detection_accepted_total"));
        Assert.Equal(3, await server.Metric("""detection_requests_total{endpoint="detect",outcome="answered"}"""));
        Assert.Equal(8, await server.Metric("""detection_requests_total{endpoint="detect",outcome="refused"}"""));
        Assert.Equal(3, await server.Metric("detection_answer_seconds_count"));
    }

    [Fact]
    public async Task A_full_queue_refuses_before_the_body_has_come()
    {
        var detectors = new GatedDetectors();
        await using var server = await StartReady(detectors, "QueueLength=1");
        var accepted = await Fill(server, detectors, waiting: 1);
        using (var client = await RawConnection.Promise(server.Address, "/detect", bodyBytes: 1000))
            Assert.Equal("HTTP/1.1 429 Too Many Requests", await client.StatusLine());
        detectors.Open(2);
        await Task.WhenAll(accepted);
    }

    [Fact]
    public async Task A_client_that_goes_away_frees_its_place_and_is_not_worked_for()
    {
        var detectors = new GatedDetectors();
        await using var server = await StartReady(detectors, "QueueLength=1");
        var first = server.Client.Send("detect", Picture);
        detectors.NextStarted();
        using var leaving = new CancellationTokenSource();
        var second = server.Client.PostAsync("detect", new ByteArrayContent(Pictures.Blank(9, 9)), leaving.Token);
        await Until(() => server.Queue.Waiting == 1);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        await Until(() => server.Queue.Waiting == 0);

        var third = server.Client.Send("detect", Pictures.Blank(7, 7));
        await Until(() => server.Queue.Waiting == 1);
        detectors.Open(3);
        Assert.Equal(HttpStatusCode.OK, (await first).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await third).StatusCode);
        Assert.Equal(Pictures.Blank(7, 7), detectors.NextStarted());
        Assert.Equal(0, detectors.Started);
        Assert.Equal(1, await server.Metric("""detection_requests_total{endpoint="detect",outcome="abandoned"}"""));
    }

    [Fact]
    public async Task A_server_that_stops_refuses_what_is_new_and_finishes_what_it_accepted()
    {
        var detectors = new GatedDetectors();
        await using var server = await StartReady(detectors, "QueueLength=2");
        var accepted = await Fill(server, detectors, waiting: 2);

        var stopped = server.App.StopAsync();
        await Until(() => server.Queue.IsClosing);
        var late = await server.Client.Send("detect", Picture);
        Assert.Contains("finishes what it has accepted", await late.Problem(503), StringComparison.Ordinal);
        Assert.NotNull(late.Headers.RetryAfter);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await server.Client.GetAsync("health")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("health/live")).StatusCode);
        Assert.False(stopped.IsCompleted);

        detectors.Open(3);
        Assert.All(await Task.WhenAll(accepted), answer => Assert.Equal(HttpStatusCode.OK, answer.StatusCode));
        await stopped;
    }

    [Fact]
    public async Task A_worker_that_is_busy_for_too_long_makes_the_server_unhealthy()
    {
        var detectors = new GatedDetectors();
        await using var server = await StartReady(detectors, "StuckSeconds=10");
        var accepted = server.Client.Send("detect", Picture);
        detectors.NextStarted();
        detectors.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("health/live")).StatusCode);
        detectors.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await server.Client.GetAsync("health/live")).StatusCode);
        detectors.Open(1);
        await accepted;
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("health/live")).StatusCode);
    }

    [Fact]
    public async Task A_failure_is_the_answer_to_one_request_and_keeps_its_words_to_itself()
    {
        var failures = 0;
        var detectors = new GatedDetectors { Work = _ => Interlocked.Increment(ref failures) == 1 ? throw new InvalidOperationException("secret") : null };
        await using var server = await StartReady(detectors);
        detectors.Open(2);
        Assert.DoesNotContain("secret", await (await server.Client.Send("detect", Picture)).Problem(500), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await server.Client.Send("detect", Picture)).StatusCode);
        Assert.Equal(1, await server.Metric("""detection_requests_total{endpoint="detect",outcome="failed"}"""));
    }

    [Fact]
    public async Task Nothing_is_accepted_before_the_models_are_ready()
    {
        var detectors = new GatedDetectors { Prepared = new ManualResetEventSlim(false) };
        await using var server = await RunningServer.StartAsync(detectors);
        Assert.Contains("being prepared", await (await server.Client.Send("detect", Picture)).Problem(503), StringComparison.Ordinal);
        Assert.Contains("being prepared", await (await server.Client.GetAsync("models")).Problem(503), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await server.Client.GetAsync("health")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("health/live")).StatusCode);

        detectors.Prepared.Set();
        await server.Workers.Ready;
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("health")).StatusCode);
        detectors.Open(1);
        Assert.Equal(HttpStatusCode.OK, (await server.Client.Send("detect", Picture)).StatusCode);
    }

    [Fact]
    public async Task A_server_whose_models_cannot_be_used_stops()
    {
        var before = Environment.ExitCode;
        try
        {
            var detectors = new GatedDetectors { Prepared = new ManualResetEventSlim(false), Failure = new PruningException("no model") };
            await using var server = await RunningServer.StartAsync(detectors);
            detectors.Prepared.Set();
            await Assert.ThrowsAsync<PruningException>(() => server.Workers.Ready);
            await Until(() => server.App.Lifetime.ApplicationStopping.IsCancellationRequested);
            Assert.Equal(1, Environment.ExitCode);
        }
        finally
        {
            Environment.ExitCode = before;
        }
    }

    [Fact]
    public async Task Only_so_many_bodies_are_read_at_the_same_time_and_not_forever()
    {
        var detectors = new GatedDetectors();
        await using var server = await StartReady(detectors, "MaxUploads=1", "UploadSeconds=2");
        using var slow = await RawConnection.Promise(server.Address, "/detect", bodyBytes: 1000);
        await Until(() => server.App.Services.GetService(typeof(DetectionServer.Http.ImageBody)) is DetectionServer.Http.ImageBody { Uploading: 1 });
        Assert.Contains("being uploaded already", await (await server.Client.Send("detect", Picture)).Problem(429), StringComparison.Ordinal);
        Assert.Equal("HTTP/1.1 408 Request Timeout", await slow.StatusLine());
        detectors.Open(1);
        Assert.Equal(HttpStatusCode.OK, (await server.Client.Send("detect", Picture)).StatusCode);
    }

    private static async Task<RunningServer> StartReady(GatedDetectors detectors, params string[] settings)
    {
        var server = await RunningServer.StartAsync(detectors, settings);
        await server.Workers.Ready;
        return server;
    }

    // One in work and some waiting, in this order.
    private static async Task<Task<HttpResponseMessage>[]> Fill(RunningServer server, GatedDetectors detectors, int waiting)
    {
        var accepted = new List<Task<HttpResponseMessage>> { server.Client.Send("detect", Picture) };
        detectors.NextStarted();
        for (var i = 1; i <= waiting; i++)
        {
            accepted.Add(server.Client.Send("detect", Picture));
            await Until(() => server.Queue.Waiting == i);
        }

        return [.. accepted];
    }

    private static async Task Until(Func<bool> condition)
    {
        for (var tries = 0; !condition(); tries++)
        {
            Assert.True(tries < 3000, "It did not come to that within half a minute.");
            await Task.Delay(10);
        }
    }
}
