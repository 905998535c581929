using FilterPruning.Detection.Data;

namespace FilterPruning.Detection.Training;

/// <summary>The batches of a training: which images an iteration sees and how they are augmented, as a pure function of seed and iteration. Leaves torch's random state alone.</summary>
internal sealed class SampleSource(IDetectionDataset data, TrainingOptions options)
{
    // Apart from the streams of the sample order, which uses the bare seed.
    private const long AugmentationStream = 0x5EED_A06E, SamplingStream = 0x5EED_5A3B;
    private readonly int _batchSize = Math.Min(options.BatchSize, data.Count);
    private readonly SampleOrder _samples = new(data.Count, options.Seed);
    private int _epoch = -1;
    private int[] _order = [];

    /// <summary>Full batches in an epoch.</summary>
    public int BatchesPerEpoch => data.Count / _batchSize;

    /// <summary>What the data are, for messages and checkpoints.</summary>
    public string Identity => $"{data.Name}: {data.Count} images, classes {string.Join(", ", data.ClassNames)}";

    /// <summary>The seed of what the model's samplers draw in an iteration.</summary>
    public long SamplingSeed(int iteration) => (long)(SplitMix64.ForItem(options.Seed ^ (SamplingStream << 32), iteration).Next() >> 1);

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
            return Augment(data.Load(index), SplitMix64.ForItem(options.Seed ^ (AugmentationStream << 32), ((long)epoch * data.Count) + index));
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            throw new PruningException($"Sample {index} of '{data.Name}' could not be loaded: {error.Message}", error);
        }
    }

    private DetectionSample Augment(DetectionSample sample, SplitMix64 random)
    {
        bool flip = random.Chance(options.FlipProbability);
        double factor = random.Range((float)options.ScaleJitterMin, (float)options.ScaleJitterMax);
        double x = random.NextFloat(), y = random.NextFloat();
        if (options.ScaleJitterMin != 1 || options.ScaleJitterMax != 1)
            sample = Exchange(sample, ScaleJitter.Apply(sample, factor, x, y));
        return flip ? Exchange(sample, DetectionTransforms.FlipHorizontal(sample)) : sample;
    }

    private static DetectionSample Exchange(DetectionSample old, DetectionSample changed)
    {
        old.Dispose();
        return changed;
    }

    private int[] Order(int epoch)
    {
        if (epoch != _epoch)
            (_order, _epoch) = (_samples.Epoch(epoch), epoch);
        return _order;
    }
}
