namespace DetectionServer.Http;

/// <summary>There is no room at the moment: 429 with <c>Retry-After</c>.</summary>
internal sealed class BusyException(string message) : Exception(message);
