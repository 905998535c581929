using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;

namespace DetectionServer.Work;

/// <summary>What became of a job that was offered to the queue.</summary>
internal enum Admission
{
    Accepted,
    Full,
    Closing,
}

/// <summary>
/// Jobs on their way to a fixed number of workers, first come, first served. It says at once whether there is room; what it accepts it hands to a worker, unless the client went away.
/// </summary>
/// <remarks>
/// The channel only hands jobs over. Its own bound would count jobs whose client went away until a worker came across them, so the bound is kept here, where giving a job up frees its place at once.
/// Thread-safe.
/// </remarks>
internal sealed class WorkQueue(int length, TimeProvider clock)
{
    private readonly Channel<Job> _channel = Channel.CreateUnbounded<Job>();
    private readonly Lock _lock = new();
    private readonly List<Job> _running = [];
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _waiting;
    private bool _closing;
    private TimeSpan _typicalRun;

    /// <summary>How many jobs may wait.</summary>
    public int Length { get; } = length;

    /// <summary>How many wait now.</summary>
    public int Waiting
    {
        get
        {
            lock (_lock)
                return _waiting;
        }
    }

    /// <summary>How many workers are busy.</summary>
    public int Running
    {
        get
        {
            lock (_lock)
                return _running.Count;
        }
    }

    /// <summary>Whether the server is about to stop.</summary>
    public bool IsClosing
    {
        get
        {
            lock (_lock)
                return _closing;
        }
    }

    /// <summary>How long the longest running job has been worked on; zero when nothing runs.</summary>
    public TimeSpan LongestRunning
    {
        get
        {
            lock (_lock)
                return _running.Count == 0 ? TimeSpan.Zero : _running.Max(job => clock.GetElapsedTime(job.StartedAt));
        }
    }

    /// <summary>What a job takes, from the latest ones; zero before the first.</summary>
    public TimeSpan TypicalRun
    {
        get
        {
            lock (_lock)
                return _typicalRun;
        }
    }

    /// <summary>What <see cref="TryAdd"/> would say now; nothing is reserved.</summary>
    public Admission Peek()
    {
        lock (_lock)
            return _closing ? Admission.Closing : _waiting >= Length ? Admission.Full : Admission.Accepted;
    }

    /// <summary>Takes a job, or says at once why not.</summary>
    public Admission TryAdd(Job job)
    {
        lock (_lock)
        {
            if (_closing)
                return Admission.Closing;
            if (_waiting >= Length)
                return Admission.Full;
            job.Ahead = _waiting + _running.Count;
            job.AcceptedAt = clock.GetTimestamp();
            _waiting++;
            _channel.Writer.TryWrite(job); // an unbounded channel takes everything until it is completed, which Close does under this lock
            return Admission.Accepted;
        }
    }

    /// <summary>Waits for the next job; blocks the calling thread. Each job must be handed back with <see cref="Finish"/>.</summary>
    /// <returns>False when the queue was closed and is empty.</returns>
    public bool Take([NotNullWhen(true)] out Job? job)
    {
        while (_channel.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            while (_channel.Reader.TryRead(out job))
            {
                lock (_lock)
                {
                    if (job.State != JobState.Waiting)
                        continue;
                    job.State = JobState.Running;
                    job.StartedAt = clock.GetTimestamp();
                    _waiting--;
                    _running.Add(job);
                    return true;
                }
            }
        }

        job = null;
        return false;
    }

    /// <summary>A worker is done with a job.</summary>
    public void Finish(Job job)
    {
        lock (_lock)
        {
            job.State = JobState.Done;
            var run = clock.GetElapsedTime(job.StartedAt);
            _typicalRun = _typicalRun == TimeSpan.Zero ? run : (0.8 * _typicalRun) + (0.2 * run);
            _running.Remove(job);
            SignalWhenDrained();
        }
    }

    /// <summary>The client went away: a job that still waits leaves the queue, and its place is free. One in work is finished for nobody.</summary>
    public void Abandon(Job job)
    {
        lock (_lock)
        {
            if (job.State != JobState.Waiting)
                return;
            job.State = JobState.Abandoned;
            _waiting--;
            job.GiveUp();
            SignalWhenDrained();
        }
    }

    /// <summary>Takes nothing more. The task ends when everything that was accepted is done.</summary>
    public Task CloseAsync()
    {
        lock (_lock)
        {
            _closing = true;
            _channel.Writer.TryComplete();
            SignalWhenDrained();
        }

        return _drained.Task;
    }

    private void SignalWhenDrained()
    {
        if (_closing && _waiting == 0 && _running.Count == 0)
            _drained.TrySetResult();
    }
}
