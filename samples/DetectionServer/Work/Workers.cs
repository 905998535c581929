using DetectionServer.Inference;
using DetectionServer.Metrics;

namespace DetectionServer.Work;

/// <summary>
/// Prepares the models, then runs a fixed number of workers, each with models and a thread of its own, until the queue is closed. When the server is told to stop, the queue refuses what is new at once and
/// what was accepted is finished first; only then does the web server go.
/// </summary>
/// <remarks>Threads rather than tasks of the pool: OpenMP keeps a team of helpers for every thread that ever called it, and dispose scopes belong to threads.</remarks>
internal sealed partial class Workers(
    WorkQueue queue, IDetectorFactory factory, ServerOptions options, ServerMetrics metrics, IHostApplicationLifetime lifetime, ILogger<Workers> logger) : IHostedLifecycleService
{
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _all = Task.CompletedTask;
    private volatile ModelsInfo? _models;

    /// <summary>What is known about the models; null until all workers are ready.</summary>
    public ModelsInfo? Models => _ready.Task.IsCompletedSuccessfully ? _models : null;

    /// <summary>Ends when all workers are ready; fails with what kept them from it.</summary>
    public Task Ready => _ready.Task;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        // The web server starts meanwhile, and says that it is not ready.
        _all = OnOwnThread(Prepare);
        return Task.CompletedTask;
    }

    /// <summary>The server is to stop: finishes what was accepted, while the web server still answers.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        LogStopping(queue.Waiting + queue.Running);
        await _stop.CancelAsync().ConfigureAwait(false);
        await queue.CloseAsync().WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public Task StopAsync(CancellationToken cancellationToken) => _all.WaitAsync(cancellationToken);

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private void Prepare()
    {
        try
        {
            var start = TimeProvider.System.GetTimestamp();
            _models = factory.Prepare(_stop.Token);
            using var loaded = new CountdownEvent(options.Workers);
            var threads = Math.Max(1, get_num_threads() / options.Workers); // one worker has all cores, several have a share each
            var workers = Enumerable.Range(0, options.Workers).Select(_ => OnOwnThread(() => Work(loaded, threads))).ToArray();
            loaded.Wait();
            if (_ready.TrySetResult())
                LogReady(options.Workers, options.QueueLength, TimeProvider.System.GetElapsedTime(start).TotalSeconds);
            Task.WaitAll(workers);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            _ready.TrySetCanceled();
        }
#pragma warning disable CA1031 // a server without models is of no use, whatever kept it from them
        catch (Exception error)
#pragma warning restore CA1031
        {
            Fail(error);
        }
    }

    private void Work(CountdownEvent loaded, int threads)
    {
        IDetector? detector = null;
        try
        {
            if (threads != get_num_threads())
                set_num_threads(threads);
            detector = factory.Create();
        }
#pragma warning disable CA1031 // whatever kept a worker from its models is what the server says when it is asked whether it is ready
        catch (Exception error)
#pragma warning restore CA1031
        {
            Fail(error);
        }
        finally
        {
            loaded.Signal();
        }

        if (detector is null)
            return;
        using (detector)
        {
            while (queue.Take(out var job))
                Work(detector, job);
        }
    }

    private void Work(IDetector detector, Job job)
    {
        DetectionAnswer? answer = null;
        Exception? failure = null;
        try
        {
            answer = detector.Run(job.Image, job.Request);
            metrics.Worked(answer);
        }
#pragma warning disable CA1031 // it is the answer to this request; the worker goes on
        catch (Exception error)
#pragma warning restore CA1031
        {
            failure = error;
        }

        // First out of the queue, then answered: whoever has an answer finds its place free.
        queue.Finish(job);
        if (answer is not null)
            job.Complete(answer);
        else
            job.Fail(failure!);
    }

    private void Fail(Exception error)
    {
        if (!_ready.TrySetException(error))
            return;
        _ = _ready.Task.Exception; // seen: it is logged here
        LogFailed(error);
        Environment.ExitCode = 1;
        queue.CloseAsync();
        lifetime.StopApplication();
    }

    private static Task OnOwnThread(Action action) =>
        Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);

    [LoggerMessage(Level = LogLevel.Information, Message = "Ready after {Seconds:0.0} s: {Workers} worker(s), room for {Length} waiting requests.")]
    private partial void LogReady(int workers, int length, double seconds);

    [LoggerMessage(Level = LogLevel.Information, Message = "Stopping: {Count} accepted request(s) are finished first, new ones are refused.")]
    private partial void LogStopping(int count);

    [LoggerMessage(Level = LogLevel.Critical, Message = "The models cannot be used.")]
    private partial void LogFailed(Exception error);
}
