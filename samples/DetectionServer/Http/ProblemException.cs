namespace DetectionServer.Http;

/// <summary>A request that cannot be served, in words for whoever sent it; answered as <c>application/problem+json</c>.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="title">What is wrong, short.</param>
/// <param name="detail">What was given, what is allowed, what to do.</param>
internal sealed class ProblemException(int status, string title, string detail) : Exception(detail)
{
    public int Status { get; } = status;

    public string Title { get; } = title;
}
