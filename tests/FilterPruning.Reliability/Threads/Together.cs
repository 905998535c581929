using System.Runtime.ExceptionServices;
using FilterPruning.Detection.Models;

namespace FilterPruning.Reliability.Threads;

/// <summary>Detections on one model by several threads, compared with those of one thread.</summary>
internal static class Together
{
    /// <summary>What a model finds on pictures, as bytes that can be compared.</summary>
    public static byte[][] Alone(MaskRcnnModel model, IReadOnlyList<Tensor> pictures)
    {
        using var guard = no_grad();
        return [.. pictures.Select(picture => Found(model, picture))];
    }

    /// <summary>Lets threads detect on all pictures, each in an order of its own, and says how often an answer was not that of one thread.</summary>
    /// <param name="model">The model, which nothing changes.</param>
    /// <param name="pictures">The pictures.</param>
    /// <param name="expected">What one thread found.</param>
    /// <param name="threads">How many.</param>
    /// <param name="rounds">How often each thread goes through the pictures.</param>
    /// <param name="seed">Of the orders.</param>
    public static int Differences(MaskRcnnModel model, IReadOnlyList<Tensor> pictures, byte[][] expected, int threads, int rounds, int seed)
    {
        var torchThreads = get_num_threads();
        var differences = 0;
        using var start = new Barrier(threads);
        Exception? failure = null;
        var all = Enumerable.Range(0, threads).Select(thread => new Thread(() =>
        {
            try
            {
                // Each thread has a number of its own, and sums come out in another order with another.
                set_num_threads(torchThreads);
                using var guard = no_grad();
                var random = new Random((seed * 1000) + thread);
                start.SignalAndWait();
                for (var round = 0; round < rounds; round++)
                {
                    foreach (var i in Enumerable.Range(0, pictures.Count).OrderBy(_ => random.Next()).ToArray())
                    {
                        if (!Found(model, pictures[i]).AsSpan().SequenceEqual(expected[i]))
                            Interlocked.Increment(ref differences);
                    }
                }
            }
            catch (Exception error)
            {
                Interlocked.CompareExchange(ref failure, error, null);
            }
        })).ToList();
        all.ForEach(thread => thread.Start());
        all.ForEach(thread => thread.Join());
        if (failure is not null)
            ExceptionDispatchInfo.Throw(failure);
        return differences;
    }

    private static byte[] Found(MaskRcnnModel model, Tensor picture)
    {
        using var scope = NewDisposeScope();
        using var found = model.Detect([picture])[0];
        return [.. new[] { found.Boxes, found.Labels, found.Scores, found.Masks }.Where(tensor => tensor.numel() > 0).SelectMany(tensor => tensor.contiguous().bytes.ToArray())];
    }
}
