using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Pipeline;

/// <summary>
/// One run of <see cref="DetectorThroughput"/>: read → decode → put together → network → paste → hand out. A permit is taken before an image
/// is read and given back when its result is handed out, so the channels between the stages need no bounds of their own.
/// </summary>
/// <remarks>
/// The network runs on threads of its own: OpenMP keeps a team of helpers for every thread that ever called it, and the pool's threads come and go.
/// Tensors cross threads, so none may stay in a dispose scope: scopes belong to threads.
/// </remarks>
internal sealed class DetectionPipeline(MaskRcnnModel model, ThroughputOptions options)
{
    private readonly BatchPlanner _planner = new(model.Options);
    private readonly ConcurrentDictionary<long, StreamedImage> _inFlight = [];
    private readonly SemaphoreSlim _permits = new(options.Prefetch + options.BatchSize * options.DegreeOfParallelism);
    private readonly SemaphoreSlim _decoders = new(options.DecodeParallelism);

    // All images in order, for the reader of the results and for the batches.
    private readonly Channel<StreamedImage> _inOrder = Channel.CreateUnbounded<StreamedImage>();
    private readonly Channel<StreamedImage> _toBatch = Channel.CreateUnbounded<StreamedImage>();
    private readonly Channel<IReadOnlyList<StreamedImage>> _toNetwork = Channel.CreateUnbounded<IReadOnlyList<StreamedImage>>();
    private readonly Channel<StreamedImage> _toPaste = Channel.CreateUnbounded<StreamedImage>();

    /// <summary>Runs a pipeline of its own for each enumeration.</summary>
    public static async IAsyncEnumerable<DetectionResult> Run(
        MaskRcnnModel model, IAsyncEnumerable<ImageSource> images, ThroughputOptions options, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach (var result in new DetectionPipeline(model, options).Run(images, cancellation).ConfigureAwait(false))
            yield return result;
    }

    private async IAsyncEnumerable<DetectionResult> Run(IAsyncEnumerable<ImageSource> images, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var threads = get_num_threads();
        Task[] stages =
        [
            Task.Run(() => Read(images, stop.Token), CancellationToken.None),
            Task.Run(() => PutTogether(stop.Token), CancellationToken.None),
            RunNetwork(stop.Token),
            .. Enumerable.Range(0, options.DegreeOfParallelism).Select(_ => Task.Run(() => Paste(stop.Token), CancellationToken.None)),
        ];
        try
        {
            await foreach (var image in _inOrder.Reader.ReadAllAsync(stop.Token).ConfigureAwait(false))
            {
                stop.Token.ThrowIfCancellationRequested(); // results that are there already come without looking
                var result = await image.Done.WaitAsync(stop.Token).ConfigureAwait(false);
                if (result.Error is { } error && options.Failures == FailureHandling.Throw)
                    throw new ThroughputException(result.Index, result.Name, error);
                _inFlight.TryRemove(image.Index, out _);
                _permits.Release();
                yield return result;
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            // What a stage failed with has reached the reader through its channel; being cancelled is how stages end here.
            await Task.WhenAll(stages).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await Task.WhenAll(_inFlight.Values.Select(image => image.Decoded)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (var image in _inFlight.Values)
                image.Dispose();
            if (options.ThreadsPerBatch != threads)
                set_num_threads(threads);
        }
    }

    private async Task Read(IAsyncEnumerable<ImageSource> images, CancellationToken stop)
    {
        Exception? error = null;
        try
        {
            await using var source = images.GetAsyncEnumerator(stop);
            for (long index = 0; ; index++)
            {
                await _permits.WaitAsync(stop).ConfigureAwait(false);
                if (!await source.MoveNextAsync().ConfigureAwait(false))
                    break;
                var image = new StreamedImage(index, source.Current);
                _inFlight[index] = image;
                image.Decoded = Task.Run(() => Decode(image, stop), CancellationToken.None);
                await _toBatch.Writer.WriteAsync(image, stop).ConfigureAwait(false);
                await _inOrder.Writer.WriteAsync(image, stop).ConfigureAwait(false);
            }
        }
        catch (Exception failure) when (failure is not OperationCanceledException || !stop.IsCancellationRequested)
        {
            error = failure; // the reader of the results gets it after the results of all images before
        }

        _toBatch.Writer.Complete();
        _inOrder.Writer.Complete(error);
    }

    private async Task Decode(StreamedImage image, CancellationToken stop)
    {
        await _decoders.WaitAsync(stop).ConfigureAwait(false);
        try
        {
            var opened = image.Source.Open();
            if (image.Source.IsOwned)
                opened.DetachFromDisposeScope();
            image.Image = opened;
            BatchPlanner.Check(opened);
        }
#pragma warning disable CA1031 // whatever the source throws is this image's error
        catch (Exception error)
#pragma warning restore CA1031
        {
            image.Error = error;
        }
        finally
        {
            _decoders.Release();
        }
    }

    private async Task PutTogether(CancellationToken stop)
    {
        var window = new BatchWindow<StreamedImage>(options.BatchSize, options.Prefetch);
        await foreach (var image in _toBatch.Reader.ReadAllAsync(stop).ConfigureAwait(false))
        {
            await image.Decoded.ConfigureAwait(false);
            var ready = image.Error is null ? window.Add(image.Index, _planner.PaddedSize(image.Image!), image) : window.Advance(image.Index);
            if (image.Error is not null)
                image.Finish(null, options.KeepImages);
            Send(ready);
        }

        Send(window.Finish());
        _toNetwork.Writer.Complete();

        void Send(IReadOnlyList<IReadOnlyList<StreamedImage>> batches)
        {
            foreach (var batch in batches)
                _toNetwork.Writer.TryWrite(batch);
        }
    }

    private async Task RunNetwork(CancellationToken stop)
    {
        var workers = Enumerable.Range(0, options.DegreeOfParallelism).Select(_ => Task.Factory.StartNew(
            () => Work(stop), CancellationToken.None, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default));
        await Task.WhenAll(workers.ToArray()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _toPaste.Writer.Complete();
    }

    // Blocks: this thread does nothing else.
    private void Work(CancellationToken stop)
    {
        if (options.ThreadsPerBatch != get_num_threads())
            set_num_threads(options.ThreadsPerBatch);
        while (_toNetwork.Reader.WaitToReadAsync(stop).AsTask().GetAwaiter().GetResult())
        {
            while (!stop.IsCancellationRequested && _toNetwork.Reader.TryRead(out var batch))
            {
                if (!TryLook(batch, alone: batch.Count == 1))
                {
                    // One image may have spoilt the batch: each alone.
                    foreach (var image in batch)
                        TryLook([image], alone: true);
                }

                foreach (var image in batch)
                {
                    if (image.Error is null)
                        _toPaste.Writer.TryWrite(image);
                    else
                        image.Finish(null, options.KeepImages);
                }
            }
        }
    }

    private bool TryLook(IReadOnlyList<StreamedImage> batch, bool alone)
    {
        try
        {
            using var scope = NewDisposeScope();
            using var guard = no_grad();
            var device = model.parameters().First().device;
            var (found, sizes) = model.DetectAtNetworkScale([.. batch.Select(image => image.Image!.to(device))]);
            for (var i = 0; i < batch.Count; i++)
            {
                foreach (var tensor in new[] { found[i].Boxes, found[i].Labels, found[i].Scores, found[i].Masks })
                    tensor.DetachFromDisposeScope();
                (batch[i].Found, batch[i].Resized) = (found[i], sizes[i]);
            }

            return true;
        }
#pragma warning disable CA1031 // whatever the network throws is the image's error
        catch (Exception error) when (!alone || batch.Count == 1)
#pragma warning restore CA1031
        {
            if (alone)
                batch[0].Error = error;
            return false;
        }
    }

    private async Task Paste(CancellationToken stop)
    {
        await foreach (var image in _toPaste.Reader.ReadAllAsync(stop).ConfigureAwait(false))
        {
            Models.Detection? detection = null;
            try
            {
                detection = Paste(image);
            }
#pragma warning disable CA1031 // too many masks for the memory, above all: this image's error
            catch (Exception error)
#pragma warning restore CA1031
            {
                image.Error = error;
            }

            image.Finish(detection, options.KeepImages);
        }
    }

    private Models.Detection Paste(StreamedImage image)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var found = image.Found!;
        image.Found = null;
        var size = ((int)image.Image!.shape[1], (int)image.Image.shape[2]);
        var detection = options.PasteMasks
            ? GeneralizedRcnnTransform.Postprocess(found, image.Resized, size)
            : new Models.Detection(GeneralizedRcnnTransform.ResizeBoxes(found.Boxes, image.Resized, size), found.Labels.alias(), found.Scores.alias(), found.Masks.alias());
        foreach (var tensor in new[] { detection.Boxes, detection.Labels, detection.Scores, detection.Masks })
            tensor.DetachFromDisposeScope();
        return detection;
    }
}
