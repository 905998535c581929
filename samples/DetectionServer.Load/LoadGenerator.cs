using System.Diagnostics;
using System.Net;
using System.Text.Json;

namespace DetectionServer.Load;

/// <summary>Sends one picture to a server on this machine again and again: as fast as it answers, or at a given rate whatever it answers.</summary>
/// <param name="client">With the server's address.</param>
/// <param name="path">For instance <c>detect?model=pruned</c>.</param>
/// <param name="picture">The body.</param>
internal sealed class LoadGenerator(HttpClient client, string path, byte[] picture)
{
    /// <summary>A loopback address, or the reason why it is none.</summary>
    /// <exception cref="ArgumentException">The address is of another machine: this program is for one's own server.</exception>
    public static Uri Loopback(string address) =>
        Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Scheme == Uri.UriSchemeHttp && uri.IsLoopback
            ? uri
            : throw new ArgumentException($"'{address}' is not an http address of this machine; give one like http://127.0.0.1:5080.");

    /// <summary>Answers per second when somebody always waits: <paramref name="clients"/> clients, each of which sends its next request when it has its answer.</summary>
    public async Task<double> MeasureCapacity(int clients, TimeSpan duration)
    {
        await Send(0); // connections and kernels are warm from here on
        var clock = Stopwatch.StartNew();
        var answers = await Task.WhenAll(Enumerable.Range(0, clients).Select(async _ =>
        {
            var count = 0;
            while (clock.Elapsed < duration)
            {
                if ((await Send(Stopwatch.GetTimestamp())).Status == HttpStatusCode.OK)
                    count++;
            }

            return count;
        }));
        return answers.Sum() / clock.Elapsed.TotalSeconds;
    }

    /// <summary>Sends requests at random moments (a Poisson process), whether or not those before were answered, and waits for all answers.</summary>
    /// <param name="perSecond">On average.</param>
    /// <param name="count">In all.</param>
    /// <param name="seed">Of the moments.</param>
    public async Task<LoadResult> Offer(double perSecond, int count, int seed)
    {
        var random = new Random(seed);
        var start = Stopwatch.GetTimestamp();
        var due = TimeSpan.Zero;
        var sent = new Task<Reply>[count];
        for (var i = 0; i < count; i++)
        {
            due += TimeSpan.FromSeconds(-Math.Log(1 - random.NextDouble()) / perSecond);
            if (due - Stopwatch.GetElapsedTime(start) is { Ticks: > 0 } wait)
                await Task.Delay(wait);
            // Timed from the moment it was due: a client that falls behind must not hide it.
            sent[i] = Send(start + (long)(due.TotalSeconds * Stopwatch.Frequency));
        }

        var replies = await Task.WhenAll(sent);
        return new LoadResult(replies, Stopwatch.GetElapsedTime(start));
    }

    private async Task<Reply> Send(long since)
    {
        try
        {
            using var content = new ByteArrayContent(picture);
            using var response = await client.PostAsync(path, content);
            var body = await response.Content.ReadAsByteArrayAsync();
            var elapsed = Stopwatch.GetElapsedTime(since);
            var ahead = response.StatusCode == HttpStatusCode.OK ? JsonDocument.Parse(body).RootElement.GetProperty("ahead").GetInt32() : 0;
            return new Reply(response.StatusCode, elapsed, ahead, response.Headers.RetryAfter is not null);
        }
        catch (HttpRequestException)
        {
            return new Reply(null, Stopwatch.GetElapsedTime(since), 0, false);
        }
    }
}
