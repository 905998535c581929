namespace FilterPruning.Benchmarks.Scoring;

/// <summary>
/// Enough copies of a weight that together they exceed the last-level cache three times: used in turn, each of them comes from memory. (A weight that was just read would come from the cache,
/// several times faster.)
/// </summary>
internal sealed class Rotation : IDisposable
{
    private readonly Tensor[] _weights;
    private readonly Tensor[] _plain;

    public Rotation(NormCase norm)
    {
        Case = norm;
        var bytes = norm.Shape.Count * norm.ElementSize;
        _weights = [.. Enumerable.Range(0, (int)((3 * Goals.Surroundings.LastLevelCacheBytes / bytes) + 1)).Select(seed => norm.Make((ulong)seed))];

        // What a strided weight skips need not be read: the limit is that of a contiguous one of the same size.
        _plain = norm.Strided ? [.. _weights.Select(weight => weight.contiguous())] : _weights;
    }

    public NormCase Case { get; }

    /// <summary>Bytes of all copies.</summary>
    public long Bytes => _weights.Length * Case.Shape.Count * Case.ElementSize;

    /// <summary>Visits every copy.</summary>
    public void Each(Action<Tensor> visit)
    {
        foreach (var weight in _weights)
            visit(weight);
    }

    /// <summary>Reads every copy.</summary>
    public unsafe void Read(ReadLimit.Reader reader)
    {
        foreach (var weight in _plain)
            reader((byte*)TensorBytes.Of(weight), weight.numel() * Case.ElementSize);
    }

    public void Dispose()
    {
        foreach (var weight in _weights.Concat(_plain))
            weight.Dispose();
    }
}
