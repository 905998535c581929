using System.Net;

namespace DetectionServer.Load;

/// <summary>One answer.</summary>
/// <param name="Status">Null when there was none.</param>
/// <param name="Elapsed">From the moment the request was due to the end of the answer.</param>
/// <param name="Ahead">Requests that were waiting or in work when this one was accepted.</param>
/// <param name="SaysWhenToRetry">Whether there was a Retry-After.</param>
internal readonly record struct Reply(HttpStatusCode? Status, TimeSpan Elapsed, int Ahead, bool SaysWhenToRetry);

/// <summary>What became of a number of requests.</summary>
internal sealed record LoadResult(IReadOnlyList<Reply> Replies, TimeSpan Duration)
{
    public IReadOnlyList<Reply> Answered { get; } = [.. Replies.Where(reply => reply.Status == HttpStatusCode.OK)];

    public IReadOnlyList<Reply> Refused { get; } = [.. Replies.Where(reply => reply.Status == HttpStatusCode.TooManyRequests)];

    /// <summary>Neither answered nor refused.</summary>
    public int Lost => Replies.Count - Answered.Count - Refused.Count;

    /// <summary>The time that a share of the replies took at most; zero when there are none.</summary>
    public static double Milliseconds(IEnumerable<Reply> replies, double share)
    {
        var sorted = replies.Select(reply => reply.Elapsed.TotalMilliseconds).Order().ToArray();
        return sorted.Length == 0 ? 0 : sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)];
    }
}
