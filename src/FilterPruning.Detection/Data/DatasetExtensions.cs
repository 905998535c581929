namespace FilterPruning.Detection.Data;

/// <summary>Parts of data sets. They load through the data set they are taken from, and keep its image numbers and classes.</summary>
public static class DatasetExtensions
{
    /// <summary>The images at the given indices, in that order.</summary>
    /// <param name="dataset">Where they come from.</param>
    /// <param name="indices">Each 0 … Count − 1; the same one may occur again.</param>
    /// <param name="name">The part's name for reports; null takes the data set's.</param>
    /// <exception cref="ArgumentOutOfRangeException">An index is outside the data set.</exception>
    public static IDetectionDataset Subset(this IDetectionDataset dataset, IEnumerable<int> indices, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        ArgumentNullException.ThrowIfNull(indices);
        var chosen = indices.ToArray();
        foreach (var index in chosen)
        {
            if (index < 0 || index >= dataset.Count)
                throw new ArgumentOutOfRangeException(nameof(indices), index, $"The data set '{dataset.Name}' has {dataset.Count} images; indices are 0 … {dataset.Count - 1}.");
        }

        return new DatasetSubset(dataset, name ?? dataset.Name, chosen);
    }

    /// <summary>The first images; all of them if there are fewer.</summary>
    /// <param name="dataset">Where they come from.</param>
    /// <param name="count">0 or more.</param>
    public static IDetectionDataset Take(this IDetectionDataset dataset, int count)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        return dataset.Subset(Enumerable.Range(0, Math.Min(count, dataset.Count)));
    }

    /// <summary>Splits a data set by a random permutation: its first <paramref name="train"/> entries are for training, the rest is for testing.</summary>
    /// <param name="dataset">What to split.</param>
    /// <param name="train">Images for training, 0 … Count.</param>
    /// <param name="seed">Decides the permutation, which is the same on every platform (SplitMix64; Fisher and Yates).</param>
    /// <returns>Both parts, disjoint, together the whole.</returns>
    /// <exception cref="ArgumentOutOfRangeException">More images are asked for than there are.</exception>
    public static (IDetectionDataset Train, IDetectionDataset Test) Split(this IDetectionDataset dataset, int train, int seed)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        if (train < 0 || train > dataset.Count)
            throw new ArgumentOutOfRangeException(nameof(train), train, $"The data set '{dataset.Name}' has {dataset.Count} images; give 0 … {dataset.Count}.");
        var order = SampleOrder.Permutation(dataset.Count, seed, stream: 0);
        return (dataset.Subset(order[..train], dataset.Name + " train"), dataset.Subset(order[train..], dataset.Name + " test"));
    }
}
