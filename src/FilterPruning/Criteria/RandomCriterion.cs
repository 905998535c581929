namespace FilterPruning.Criteria;

/// <summary>Random scores: the baseline every other criterion has to beat.</summary>
/// <param name="seed">The same seed gives a layer of the same name and width the same scores, whatever else the model holds.</param>
/// <remarks>Thread-safe. Leaves the global random state alone.</remarks>
public sealed class RandomCriterion(int seed) : IPruningCriterion
{
    /// <inheritdoc/>
    public string Name => "random";

    /// <summary>The seed.</summary>
    public int Seed { get; } = seed;

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(SeedOf(filters.LayerName), CPU);
        return rand(filters.Count, dtype: float32, device: CPU, generator: generator).MoveToOuterDisposeScope();
    }

    /// <summary>FNV-1a over the seed and the name: <see cref="string.GetHashCode()"/> differs from process to process.</summary>
    private ulong SeedOf(string layerName)
    {
        const ulong Prime = 1099511628211;
        var hash = (14695981039346656037 ^ (uint)Seed) * Prime;
        foreach (var character in layerName)
            hash = (hash ^ character) * Prime;
        return hash >> 1;  // seeds are signed inside libtorch
    }
}
