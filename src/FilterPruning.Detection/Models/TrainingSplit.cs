namespace FilterPruning.Detection.Models;

/// <summary>Which images of a data set that has no parts of its own a detector was trained on: a seeded permutation's first ones; the rest were held out.</summary>
/// <remarks>Immutable data, kept in a checkpoint so that the held-out images can be told later. The permutation is that of <see cref="Data.DatasetExtensions.Split"/>.</remarks>
public sealed record TrainingSplit
{
    /// <summary>The data set's name.</summary>
    public required string Data { get; init; }

    /// <summary>The number of images that were split, 2 or more.</summary>
    public required int Images { get; init; }

    /// <summary>How many of them were for training, 1 … Images − 1.</summary>
    public required int Training { get; init; }

    /// <summary>The permutation's seed.</summary>
    public required int Seed { get; init; }
}
