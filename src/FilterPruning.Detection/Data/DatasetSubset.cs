namespace FilterPruning.Detection.Data;

/// <summary>Some images of a data set, in a given order.</summary>
internal sealed class DatasetSubset(IDetectionDataset source, string name, int[] indices) : IDetectionDataset, IGroundTruthSource
{
    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames => source.ClassNames;

    /// <inheritdoc/>
    public int Count => indices.Length;

    /// <inheritdoc/>
    public DetectionSample Load(int index) => source.Load(At(index));

    /// <inheritdoc/>
    public IReadOnlyList<Evaluation.GroundTruthInstance>? GroundTruth(int index) => (source as IGroundTruthSource)?.GroundTruth(At(index));

    private int At(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, indices.Length);
        return indices[index];
    }
}
