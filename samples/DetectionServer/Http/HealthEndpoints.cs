using DetectionServer.Work;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace DetectionServer.Http;

/// <summary><c>GET /health</c>: send requests here. <c>GET /health/live</c>: fails only when a restart would help.</summary>
internal static class HealthEndpoints
{
    /// <summary>The tag of checks that say nothing about being alive.</summary>
    public const string Ready = "ready";

    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        routes.MapHealthChecks("/health", new HealthCheckOptions { ResponseWriter = Write });
        routes.MapHealthChecks("/health/live", new HealthCheckOptions { ResponseWriter = Write, Predicate = check => !check.Tags.Contains(Ready) });
    }

    private static Task Write(HttpContext context, HealthReport report)
    {
        var queue = context.RequestServices.GetRequiredService<WorkQueue>();
        return context.Response.WriteAsJsonAsync(new
        {
            Status = report.Status == HealthStatus.Healthy ? "healthy" : "unhealthy",
            queue.Waiting,
            queue.Running,
            queue.Length,
            Checks = report.Entries.ToDictionary(entry => entry.Key, entry => entry.Value.Description),
        });
    }
}

/// <summary>Healthy once all workers have their models, until the server is told to stop.</summary>
internal sealed class ReadyCheck(Workers workers, WorkQueue queue) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) => Task.FromResult(
        queue.IsClosing ? HealthCheckResult.Unhealthy("The server is about to stop.")
        : workers.Models is null ? HealthCheckResult.Unhealthy("The models are being prepared.")
        : HealthCheckResult.Healthy("Both models are loaded."));
}

/// <summary>Unhealthy when a worker has been busy with one request for too long.</summary>
internal sealed class QueueCheck(WorkQueue queue, ServerOptions options) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var longest = queue.LongestRunning;
        return Task.FromResult(longest.TotalSeconds > options.StuckSeconds
            ? HealthCheckResult.Unhealthy($"A worker has been busy with one request for {longest.TotalSeconds:0} s; {options.StuckSeconds:0} s are allowed.")
            : HealthCheckResult.Healthy("The queue moves."));
    }
}
