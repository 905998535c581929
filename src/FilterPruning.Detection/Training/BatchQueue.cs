using System.Collections.Concurrent;

namespace FilterPruning.Detection.Training;

/// <summary>
/// Prepares batches ahead on one background thread, in order, at most a few at a time. Which batch comes is a function of its number alone, so the thread's timing changes no result.
/// </summary>
internal sealed class BatchQueue : IDisposable
{
    private readonly BlockingCollection<object> _ready;
    private readonly CancellationTokenSource _stop = new();
    private readonly Thread _thread;

    /// <summary>Starts preparing.</summary>
    /// <param name="load">Makes the batch of an iteration; called on the background thread only, one call at a time.</param>
    /// <param name="first">The first iteration.</param>
    /// <param name="end">One past the last iteration.</param>
    /// <param name="capacity">Batches kept ready.</param>
    public BatchQueue(Func<int, SampleBatch> load, int first, int end, int capacity)
    {
        _ready = new BlockingCollection<object>(capacity);
        _thread = new Thread(() => Fill(load, first, end)) { IsBackground = true, Name = "FilterPruning batches" };
        _thread.Start();
    }

    /// <summary>The next batch, the caller's to dispose. An error of the background thread is rethrown here, where its batch would have been.</summary>
    public SampleBatch Take()
    {
        object item = _ready.Take();
        return item is Exception error ? throw new PruningException($"A training batch could not be prepared: {error.Message}", error) : (SampleBatch)item;
    }

    /// <summary>Stops the thread, waits for it, and disposes what was not taken.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        _thread.Join();
        while (_ready.TryTake(out object? item))
            (item as SampleBatch)?.Dispose();
        _ready.Dispose();
        _stop.Dispose();
    }

    private void Fill(Func<int, SampleBatch> load, int first, int end)
    {
        SampleBatch? batch = null;
        try
        {
            for (int iteration = first; iteration < end && !_stop.IsCancellationRequested; iteration++)
            {
                batch = load(iteration);
                _ready.Add(batch, _stop.Token);
                batch = null;
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            batch?.Dispose();
        }
#pragma warning disable CA1031 // Whatever went wrong is handed to the thread that trains.
        catch (Exception error)
#pragma warning restore CA1031
        {
            TryAdd(error);
        }
    }

    private void TryAdd(Exception error)
    {
        try
        {
            _ready.Add(error, _stop.Token);
        }
        catch (OperationCanceledException)
        {
            // Nobody waits for it any more.
        }
    }
}
