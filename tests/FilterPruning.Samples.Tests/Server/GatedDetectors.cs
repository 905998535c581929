using System.Collections.Concurrent;
using DetectionServer.Inference;
using DetectionServer.Work;

namespace FilterPruning.Samples.Tests.Server;

/// <summary>Detectors that find nothing, and are only done with a picture when the test lets them; and the server's clock, which stands still until the test moves it.</summary>
internal sealed class GatedDetectors : TimeProvider, IDetectorFactory
{
    private readonly SemaphoreSlim _gate = new(0);
    private readonly BlockingCollection<byte[]> _started = [];
    private long _now = 1;

    /// <summary>What a worker does with a picture once the gate is open; none, or null, answers that nothing was found.</summary>
    public Func<byte[], DetectionAnswer?>? Work { get; init; }

    /// <summary>Held until it is set before the models are said to be ready.</summary>
    public ManualResetEventSlim Prepared { get; init; } = new(true);

    /// <summary>Thrown when the models are to be made ready.</summary>
    public Exception? Failure { get; init; }

    /// <summary>Lets workers finish so many pictures.</summary>
    public void Open(int count) => _gate.Release(count);

    /// <summary>Waits until a worker has begun with its next picture.</summary>
    public byte[] NextStarted() => _started.TryTake(out var image, TimeSpan.FromSeconds(30)) ? image : throw new TimeoutException("No worker has begun with a picture.");

    /// <summary>Pictures that were begun and not yet taken note of.</summary>
    public int Started => _started.Count;

    public void Advance(TimeSpan time) => Interlocked.Add(ref _now, time.Ticks);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Interlocked.Read(ref _now);

    public ModelsInfo Prepare(CancellationToken cancellation)
    {
        Prepared.Wait(cancellation);
        return Failure is null ? new ModelsInfo(["thing"], []) : throw Failure;
    }

    public IDetector Create() => new Gated(this);

    private sealed class Gated(GatedDetectors owner) : IDetector
    {
        public DetectionAnswer Run(byte[] image, DetectionRequest request)
        {
            owner._started.Add(image);
            if (!owner._gate.Wait(TimeSpan.FromSeconds(60)))
                throw new TimeoutException("The test never opened the gate.");
            return owner.Work?.Invoke(image) ?? new DetectionAnswer(1, 1, [.. request.Models.Select(Nothing)]);
        }

        public void Dispose()
        {
        }

        private static ModelFinding Nothing(ModelName model) => new() { Model = model, Milliseconds = 1, Boxes = [], Labels = [], Names = [], Scores = [], Masks = [] };
    }
}
