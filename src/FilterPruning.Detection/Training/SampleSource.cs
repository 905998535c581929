using FilterPruning.Detection.Data;

namespace FilterPruning.Detection.Training;

/// <summary>The batches of a training: which images an iteration sees and how they are augmented, as a pure function of seed and iteration. Leaves torch's random state alone.</summary>
internal sealed class SampleSource(IDetectionDataset data, TrainingOptions options)
{
    private readonly int _batchSize = Math.Min(options.BatchSize, data.Count);
    private int _epoch = -1;
    private int[] _order = [];

    /// <summary>Full batches in an epoch.</summary>
    public int BatchesPerEpoch => data.Count / _batchSize;

    /// <summary>What the data are, for messages and checkpoints.</summary>
    public string Identity => $"{data.Name}: {data.Count} images, classes {string.Join(", ", data.ClassNames)}";

    /// <summary>A seed for one item of a seeded series.</summary>
    public static long Mix(int seed, int item) => (long)(SplitMix64.ForItem(seed, item).Next() >> 1);

    /// <summary>Loads and augments an iteration's samples. Not thread-safe: it keeps the order of the last epoch asked for.</summary>
    public SampleBatch Load(int iteration)
    {
        (int epoch, int batch) = Math.DivRem(iteration, BatchesPerEpoch);
        int[] order = Order(epoch);
        var samples = new List<DetectionSample>(_batchSize);
        try
        {
            for (int i = batch * _batchSize; i < (batch + 1) * _batchSize; i++)
                samples.Add(LoadOne(epoch, order[i]));
            return new SampleBatch(samples);
        }
        catch
        {
            samples.ForEach(s => s.Dispose());
            throw;
        }
    }

    private DetectionSample LoadOne(int epoch, int index)
    {
        try
        {
            return data.Load(index);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            throw new PruningException($"Sample {index} of '{data.Name}' could not be loaded: {error.Message}", error);
        }
    }

    private int[] Order(int epoch)
    {
        if (epoch != _epoch)
        {
            _order = [.. Enumerable.Range(0, data.Count)];
            SplitMix64.ForItem(options.Seed, epoch).Shuffle<int>(_order);
            _epoch = epoch;
        }
        return _order;
    }
}
