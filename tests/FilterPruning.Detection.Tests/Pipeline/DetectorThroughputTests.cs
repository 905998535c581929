using System.Runtime.CompilerServices;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Ops;
using FilterPruning.Detection.Pipeline;
using FilterPruning.Detection.Tests.ModelTests;

namespace FilterPruning.Detection.Tests.PipelineTests;

/// <summary>Streams of small images through a small model. No dispose scope is held over an await: scopes belong to threads.</summary>
public sealed class DetectorThroughputTests : IDisposable
{
    private readonly MaskRcnnModel _model = MaskRcnn.ResNet18Fpn(3, Small.Options);
    private readonly List<Tensor> _images = [];
    private readonly Data.TemporaryFolder _folder = new();

    public DetectorThroughputTests() => _model.eval();

    public void Dispose()
    {
        _model.Dispose();
        _images.ForEach(image => image.Dispose());
        _folder.Dispose();
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(3, 2)]
    public async Task Results_are_those_of_single_images_in_their_order(int degree, int decoders)
    {
        var sources = Sources(9);
        var options = new ThroughputOptions { DegreeOfParallelism = degree, DecodeParallelism = decoders, ThreadsPerBatch = get_num_threads() };
        var index = 0;
        await foreach (var result in _model.DetectAsync(sources.ToAsyncEnumerable(), options))
        {
            Assert.Equal((index, sources[index].Name), ((int)result.Index, result.Name));
            // Not the last bit: the matrix products of MKL add up in an order that depends on where in memory their factors begin.
            AssertSame(_images[index], result, 1e-3f, 1e-5f);
            index++;
        }

        Assert.Equal(9, index);
    }

    [Fact]
    public async Task Batches_give_the_same_up_to_the_order_of_additions()
    {
        var options = new ThroughputOptions { BatchSize = 3, DegreeOfParallelism = 2 };
        var count = 0;
        // As in MaskRcnnTests: rounding of batched convolutions, amplified by the regression of boxes of up to 128 pixels.
        await foreach (var result in _model.DetectAsync(Sources(10).ToAsyncEnumerable(), options))
            AssertSame(_images[count++], result, 1e-2f, 1e-4f);
        Assert.Equal(10, count);
    }

    [Theory]
    [InlineData(1, 1, 0)]
    [InlineData(1, 2, 3)]
    [InlineData(3, 2, 5)]
    [InlineData(4, 1, 1)]
    public async Task No_more_images_are_in_flight_than_the_options_say(int batchSize, int degree, int prefetch)
    {
        int read = 0, received = 0, most = 0;
        var options = new ThroughputOptions { BatchSize = batchSize, DegreeOfParallelism = degree, Prefetch = prefetch };
        await foreach (var result in _model.DetectAsync(Counted(Sources(16)), options))
        {
            result.Dispose();
            if (received == 3)
                await Task.Delay(100); // a slow reader: the stages before would run far ahead if nothing held them
            most = Math.Max(most, Volatile.Read(ref read) - received);
            received++;
        }

        Assert.Equal((16, 16), (read, received));
        // The one that was just handed out has given its place back.
        Assert.InRange(most, 1, prefetch + batchSize * degree + 1);

        async IAsyncEnumerable<ImageSource> Counted(IEnumerable<ImageSource> sources)
        {
            foreach (var source in sources)
            {
                await Task.Yield();
                Interlocked.Increment(ref read);
                yield return source;
            }
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Cancelling_and_leaving_end_everything(bool cancel)
    {
        await foreach (var warm in _model.DetectAsync(Sources(4).ToAsyncEnumerable()))
            warm.Dispose();
        var files = Files(12);
        var before = LiveTensors.Settled();
        using var cancellation = new CancellationTokenSource();
        var (read, ended, received) = (0, false, 0);
        var options = new ThroughputOptions { BatchSize = 2, DegreeOfParallelism = 2, KeepImages = true };
        try
        {
            await foreach (var result in _model.DetectAsync(Watched(), options, cancellation.Token))
            {
                result.Dispose();
                if (++received == 2 && !cancel)
                    break;
                if (received == 2)
                    await cancellation.CancelAsync();
            }

            Assert.False(cancel);
        }
        catch (OperationCanceledException)
        {
            Assert.True(cancel);
        }

        Assert.Equal(2, received);
        Assert.True(ended);
        var readThen = read;
        Assert.Equal(before, LiveTensors.Settled());
        await Task.Delay(50);
        Assert.Equal(readThen, read);

        async IAsyncEnumerable<ImageSource> Watched([EnumeratorCancellation] CancellationToken stop = default)
        {
            try
            {
                foreach (var file in files)
                {
                    await Task.Yield();
                    read++;
                    yield return ImageSource.FromFile(file);
                }
            }
            finally
            {
                ended = true;
            }
        }
    }

    [Fact]
    public async Task A_failing_image_has_an_error_in_its_place()
    {
        var sources = Sources(6);
        sources[2] = ImageSource.FromFile("no-such-file.png");
        sources[4] = ImageSource.FromBytes("noise", [1, 2, 3]);
        using var wide = zeros(3, 10, 10, dtype: float64);
        sources[5] = ImageSource.FromTensor("wide", wide);
        var errors = new List<(long, string, Type)>();
        var found = 0;
        await foreach (var result in _model.DetectAsync(sources.ToAsyncEnumerable(), new ThroughputOptions { BatchSize = 2 }))
        {
            using (result)
            {
                Assert.Equal(result.Error is null, result.Detection is not null);
                if (result.Error is null)
                    found++;
                else
                    errors.Add((result.Index, result.Name, result.Error.GetType()));
            }
        }

        Assert.Equal(3, found);
        Assert.Equal([(2L, "no-such-file.png", typeof(ImageException)), (4L, "noise", typeof(ImageException)), (5L, "wide", typeof(ArgumentException))], errors);
    }

    [Fact]
    public async Task Or_ends_the_stream_after_the_images_before()
    {
        var sources = Sources(8);
        sources[3] = ImageSource.FromFile("no-such-file.png");
        var before = LiveTensors.Settled();
        var received = 0;
        var error = await Assert.ThrowsAsync<ThroughputException>(async () =>
        {
            await foreach (var result in _model.DetectAsync(sources.ToAsyncEnumerable(), new ThroughputOptions { Failures = FailureHandling.Throw }))
            {
                result.Dispose();
                received++;
            }
        });
        Assert.Equal((3, 3L, "no-such-file.png"), (received, error.Index, error.ImageName));
        Assert.Contains("'no-such-file.png'", error.Message, StringComparison.Ordinal);
        Assert.IsType<ImageException>(error.InnerException);
        Assert.Equal(before, LiveTensors.Settled());
    }

    [Fact]
    public async Task What_the_source_throws_comes_after_its_images()
    {
        var sources = Sources(3);
        var received = 0;
        await Assert.ThrowsAsync<InvalidDataException>(async () =>
        {
            await foreach (var result in _model.DetectAsync(Broken()))
            {
                result.Dispose();
                received++;
            }
        });
        Assert.Equal(3, received);

        async IAsyncEnumerable<ImageSource> Broken()
        {
            foreach (var source in sources)
                yield return source;
            await Task.Yield();
            throw new InvalidDataException("broken");
        }
    }

    [Fact]
    public async Task Images_and_unpasted_masks_come_where_they_are_asked_for()
    {
        var file = Files(1)[0];
        await foreach (var result in _model.DetectAsync(new[] { file }, new ThroughputOptions { KeepImages = true, PasteMasks = false }))
        {
            using (result)
            {
                Assert.Equal([3L, 60, 80], result.Image!.shape);
                Assert.Equal([result.Detection!.Count, 1L, 28, 28], result.Detection.Masks.shape);
                using var pasted = MaskOps.PasteMasksInImage(result.Detection.Masks, result.Detection.Boxes, (60, 80));
                using var guard = no_grad();
                using var whole = _model.Detect([result.Image])[0];
                Assert.InRange((whole.Masks - pasted).abs().mean().item<float>(), 0, 1e-3f);
            }
        }
    }

    [Fact]
    public async Task A_stream_leaves_no_tensor_and_torch_s_threads_as_they_were()
    {
        var sources = Sources(6);
        var threads = get_num_threads();
        await Drain();
        var before = LiveTensors.Settled();
        await Drain();
        Assert.Equal(before, LiveTensors.Settled());
        Assert.Equal(threads, get_num_threads());
        Assert.Equal(threads, await Task.Factory.StartNew(() => get_num_threads(), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default));

        async Task Drain()
        {
            await foreach (var result in _model.DetectAsync(sources.ToAsyncEnumerable(), new ThroughputOptions { BatchSize = 2, DegreeOfParallelism = 2, ThreadsPerBatch = threads + 1 }))
                result.Dispose();
        }
    }

    [Fact]
    public void All_violations_are_listed_in_one_exception()
    {
        var options = new ThroughputOptions { BatchSize = 0, DegreeOfParallelism = -1, Prefetch = -2, DecodeParallelism = 0, ThreadsPerBatch = -3, Failures = (FailureHandling)9 };
        var error = Assert.Throws<ArgumentException>(() => _model.DetectAsync(Array.Empty<string>(), options));
        foreach (var part in new[] { "BatchSize is 0", "DegreeOfParallelism is -1", "Prefetch is -2", "DecodeParallelism is 0", "ThreadsPerBatch is -3", "Failures is 9", "6 violation(s)" })
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    // Landscape and portrait in turn, so that batches have to look ahead.
    private ImageSource[] Sources(int count)
    {
        for (var i = _images.Count; i < count; i++)
        {
            var image = i % 3 == 1 ? ParityFormula.Image(i, 70, 50) : ParityFormula.Image(i, 60, 80);
            _images.Add(image);
        }

        return [.. _images.Take(count).Select((image, i) => ImageSource.FromTensor($"image {i}", image))];
    }

    private string[] Files(int count)
    {
        Sources(count);
        return [.. _images.Take(count).Select((image, i) =>
        {
            var path = _folder.File($"{i}.png");
            ImageFile.SavePng(image, path);
            return path;
        })];
    }

    private void AssertSame(Tensor image, DetectionResult result, float pixels, float score)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using (result)
        {
            var alone = _model.Detect([image])[0];
            var streamed = result.Detection!;
            Assert.True(alone.Count > 0);
            Assert.Equal(alone.Labels.data<long>().ToArray(), streamed.Labels.data<long>().ToArray());
            Assert.InRange((alone.Boxes - streamed.Boxes).abs().max().item<float>(), 0, pixels);
            Assert.InRange((alone.Scores - streamed.Scores).abs().max().item<float>(), 0, score);
            Assert.Equal(alone.Masks.shape, streamed.Masks.shape);
            // A mask moves with its box, by at most all of its height where a box's corner is truncated to another pixel: compared on the whole.
            Assert.InRange((alone.Masks - streamed.Masks).abs().mean().item<float>(), 0, 1e-3f);
        }
    }
}
