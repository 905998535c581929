namespace FilterPruning.Detection.Pipeline;

/// <summary>What happens when an image cannot be opened or looked at.</summary>
public enum FailureHandling
{
    /// <summary>Its result, in its place, has <see cref="DetectionResult.Error"/>; the others go on.</summary>
    Report,

    /// <summary>The stream ends there with a <see cref="ThroughputException"/>, after the results of all images before.</summary>
    Throw,
}

/// <summary>How <see cref="DetectorThroughput"/> shares out the work.</summary>
public sealed record ThroughputOptions
{
    /// <summary>
    /// Images that go through the network together, at least 1. Only images whose padded sizes are equal are put together, so no image is padded
    /// more than alone. Default 1: on a CPU the workers keep the cores busy, and larger batches mostly cost memory. In larger batches libtorch
    /// may add up in another order, so that scores differ in their last digits from those of an image alone.
    /// </summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>Batches that go through the network at the same time, at least 1; 0, the default, takes as many as torch has threads, at most 8. Each holds the activations of its images.</summary>
    public int DegreeOfParallelism { get; init; }

    /// <summary>
    /// torch's threads for each of these batches, at least 1; 0, the default, shares torch's threads out among them. Where this is not what torch is set to, its number of threads is changed while the stream is read (new threads of the process see that) and set back at the end.
    /// </summary>
    public int ThreadsPerBatch { get; init; }

    /// <summary>
    /// Images that are read ahead of those in the network, and how far ahead one may look for others of its size; at least 0. At most
    /// this many + <see cref="BatchSize"/> × <see cref="DegreeOfParallelism"/> images are between being read and being handed out, whatever the reader of the results does. Default −1: twice what goes through the network at once.
    /// </summary>
    public int Prefetch { get; init; } = -1;

    /// <summary>Images that are opened and decoded at the same time, at least 1. Default 2.</summary>
    public int DecodeParallelism { get; init; } = 2;

    /// <summary>Whether masks are pasted into images (<c>[N, 1, H, W]</c>); else they stay as the network draws them, <c>[N, 1, 28, 28]</c> in their boxes, for <see cref="Ops.MaskOps.PasteMasksInImage"/>. Default true.</summary>
    public bool PasteMasks { get; init; } = true;

    /// <summary>Whether results carry their images. Default false.</summary>
    public bool KeepImages { get; init; }

    /// <summary>What happens when an image fails. Default <see cref="FailureHandling.Report"/>.</summary>
    public FailureHandling Failures { get; init; }

    /// <summary>These options with every default replaced by a number.</summary>
    /// <exception cref="ArgumentException">A setting is out of its range; the message lists all of them.</exception>
    internal ThroughputOptions Resolve(int torchThreads)
    {
        var errors = new List<string>();
        Check(nameof(BatchSize), BatchSize, 1);
        Check(nameof(DegreeOfParallelism), DegreeOfParallelism, 0);
        Check(nameof(ThreadsPerBatch), ThreadsPerBatch, 0);
        Check(nameof(Prefetch), Prefetch, -1);
        Check(nameof(DecodeParallelism), DecodeParallelism, 1);
        if (!Enum.IsDefined(Failures))
            errors.Add($"{nameof(Failures)} is {(int)Failures}; allowed are {nameof(FailureHandling.Report)} and {nameof(FailureHandling.Throw)}");
        if (errors.Count > 0)
            throw new ArgumentException($"The throughput options have {errors.Count} violation(s): {string.Join("; ", errors)}.");

        var degree = DegreeOfParallelism > 0 ? DegreeOfParallelism : Math.Clamp(torchThreads, 1, 8);
        return this with
        {
            DegreeOfParallelism = degree,
            ThreadsPerBatch = ThreadsPerBatch > 0 ? ThreadsPerBatch : Math.Max(1, torchThreads / degree),
            Prefetch = Prefetch >= 0 ? Prefetch : 2 * BatchSize * degree,
        };

        void Check(string name, int value, int least)
        {
            if (value < least)
                errors.Add($"{name} is {value}; it must be at least {least}");
        }
    }
}
