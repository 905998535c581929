using System.Diagnostics.Metrics;
using DetectionServer.Work;

namespace DetectionServer.Metrics;

/// <summary>How a request ended.</summary>
internal enum Outcome
{
    /// <summary>Accepted, worked on, answered.</summary>
    Answered,

    /// <summary>429: the queue, or the room for uploads, was full.</summary>
    Refused,

    /// <summary>503: not ready yet, or about to stop.</summary>
    Unavailable,

    /// <summary>4xx: no picture, too large, a wrong parameter.</summary>
    Invalid,

    /// <summary>The client went away before the answer.</summary>
    Abandoned,

    /// <summary>500: a worker failed.</summary>
    Failed,
}

/// <summary>What the server counts. Standard .NET instruments: <c>dotnet-counters</c> and OpenTelemetry see them too, and <see cref="PrometheusText"/> writes them out.</summary>
internal sealed class ServerMetrics : IDisposable
{
    // Seconds; from a small model's few milliseconds to a long queue on a slow machine.
    private static readonly double[] Seconds = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];

    private readonly Counter<long> _requests;
    private readonly Counter<long> _accepted;
    private readonly Counter<long> _objects;
    private readonly Histogram<double> _answer;
    private readonly Histogram<double> _wait;
    private readonly Histogram<double> _inference;

    public ServerMetrics(WorkQueue queue)
    {
        Text = new PrometheusText(Meter);
        _requests = Meter.CreateCounter<long>("detection_requests_total", description: "Requests by how they ended.");
        _accepted = Meter.CreateCounter<long>("detection_accepted_total", description: "Requests that were given a place in the queue.");
        _objects = Meter.CreateCounter<long>("detection_objects_total", description: "Objects found.");
        _answer = Histogram("detection_answer_seconds", "From a place in the queue to the answer.");
        _wait = Histogram("detection_wait_seconds", "From a place in the queue to a worker.");
        _inference = Histogram("detection_inference_seconds", "One picture through one model.");
        Meter.CreateObservableGauge("detection_queue_waiting", () => queue.Waiting, description: "Requests that wait for a worker.");
        Meter.CreateObservableGauge("detection_queue_running", () => queue.Running, description: "Workers that are busy.");
        Meter.CreateObservableGauge("detection_queue_length", () => queue.Length, description: "Requests that may wait.");
        Meter.CreateObservableGauge("process_resident_memory_bytes", () => Environment.WorkingSet, description: "Memory of the process.");
        _accepted.Add(0);
    }

    /// <summary>The instruments' meter.</summary>
    public Meter Meter { get; } = new("DetectionServer");

    /// <summary>The numbers as text.</summary>
    public PrometheusText Text { get; }

    /// <summary>A request got a place in the queue.</summary>
    public void Accepted() => _accepted.Add(1);

    /// <summary>A request has ended.</summary>
    public void Ended(string endpoint, Outcome outcome) =>
        _requests.Add(1, new("endpoint", endpoint), new("outcome", outcome.ToString().ToLowerInvariant()));

    /// <summary>An accepted request was answered.</summary>
    public void Answered(TimeSpan waited, TimeSpan total)
    {
        _wait.Record(waited.TotalSeconds);
        _answer.Record(total.TotalSeconds);
    }

    /// <summary>A worker has looked at a picture.</summary>
    public void Worked(DetectionAnswer answer)
    {
        foreach (var finding in answer.Found)
        {
            var model = new KeyValuePair<string, object?>("model", finding.Model.ToString().ToLowerInvariant());
            _inference.Record(finding.Milliseconds / 1000, model);
            _objects.Add(finding.Scores.Count, model);
        }
    }

    public void Dispose()
    {
        Text.Dispose();
        Meter.Dispose();
    }

    private Histogram<double> Histogram(string name, string description) =>
        Meter.CreateHistogram(name, description: description, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = Seconds });
}
