using System.Globalization;
using DetectionServer.Load;

// Measures a detection server on this machine: its capacity, then what it does at half of it, at it, and at twice and four times as much.
// dotnet run -c Release --project samples/DetectionServer.Load -- http://127.0.0.1:5080 10
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
const int MostRequests = 20_000;
var address = args.Length > 0 ? args[0] : "http://127.0.0.1:5080";
var seconds = args.Length > 1 && double.TryParse(args[1], out var given) && given is > 0 and <= 120 ? given : 10;
try
{
    using var client = new HttpClient { BaseAddress = LoadGenerator.Loopback(address), Timeout = TimeSpan.FromMinutes(2) };
    var picture = args.Length > 2 ? await File.ReadAllBytesAsync(args[2]) : await client.GetByteArrayAsync("scenes/1");
    var load = new LoadGenerator(client, "detect?model=pruned", picture);
    var capacity = await load.MeasureCapacity(clients: 3, TimeSpan.FromSeconds(seconds));
    Console.WriteLine($"Capacity: {capacity:0.0} pictures a second.\n");
    Console.WriteLine("| offered | sent | answered (200) | refused (429) | lost | median of the answers | 95 % of the answers | slowest answer | median of the refusals | slowest refusal | most ahead |");
    Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|");
    foreach (var factor in new[] { 0.5, 1, 2, 4 })
    {
        var rate = factor * capacity;
        var result = await load.Offer(rate, Math.Clamp((int)(rate * seconds), 1, MostRequests), seed: 0);
        Console.WriteLine(
            $"| {factor:0.#} × ({rate:0.0}/s) | {result.Replies.Count} | {result.Answered.Count} | {result.Refused.Count} | {result.Lost} | {Time(result.Answered, 0.5)} | {Time(result.Answered, 0.95)} | {Time(result.Answered, 1)} "
            + $"| {Time(result.Refused, 0.5)} | {Time(result.Refused, 1)} | {result.Answered.Select(reply => reply.Ahead).DefaultIfEmpty().Max()} |");
    }

    return 0;
}
catch (Exception error) when (error is ArgumentException or HttpRequestException or IOException)
{
    await Console.Error.WriteLineAsync($"{error.Message} Start a server first: dotnet run -c Release --project samples/DetectionServer");
    return 2;
}

static string Time(IReadOnlyList<Reply> replies, double share) => replies.Count == 0 ? "" : $"{LoadResult.Milliseconds(replies, share):0} ms";
