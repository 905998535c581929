namespace FilterPruning.Detection.Data;

/// <summary>Some images of a data set, in a given order.</summary>
internal sealed class DatasetSubset(IDetectionDataset source, string name, int[] indices) : IDetectionDataset
{
    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames => source.ClassNames;

    /// <inheritdoc/>
    public int Count => indices.Length;

    /// <inheritdoc/>
    public DetectionSample Load(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, indices.Length);
        return source.Load(indices[index]);
    }
}
