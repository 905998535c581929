namespace FilterPruning.Detection.Pipeline;

/// <summary>
/// Puts images of equal padded size together, looking a limited number of images ahead. Depends on the order of the images alone, not on time, so
/// that the same stream always gives the same batches.
/// </summary>
/// <typeparam name="T">What is put together.</typeparam>
/// <param name="batchSize">The largest batch.</param>
/// <param name="ahead">A batch goes, full or not, when the stream is this many images past its first.</param>
internal sealed class BatchWindow<T>(int batchSize, int ahead)
{
    // By the first image's place in the stream, ascending.
    private readonly List<(long First, (int Height, int Width) Size, List<T> Items)> _open = [];

    /// <summary>Adds an image.</summary>
    /// <param name="index">Its place in the stream; ascending.</param>
    /// <param name="size">Only equal ones are put together.</param>
    /// <param name="item">The image.</param>
    /// <returns>The batches that are complete now.</returns>
    public IReadOnlyList<IReadOnlyList<T>> Add(long index, (int Height, int Width) size, T item)
    {
        var at = _open.FindIndex(batch => batch.Size == size);
        if (at < 0)
        {
            at = _open.Count;
            _open.Add((index, size, []));
        }

        _open[at].Items.Add(item);
        return Advance(index);
    }

    /// <summary>Goes on to an image that joins no batch.</summary>
    /// <returns>The batches that are complete now.</returns>
    public IReadOnlyList<IReadOnlyList<T>> Advance(long index) => Take(batch => batch.Items.Count == batchSize || index - batch.First >= ahead);

    /// <summary>All batches that are left, at the end of the stream.</summary>
    public IReadOnlyList<IReadOnlyList<T>> Finish() => Take(_ => true);

    private List<IReadOnlyList<T>> Take(Predicate<(long First, (int Height, int Width) Size, List<T> Items)> ready)
    {
        List<IReadOnlyList<T>> complete = [.. _open.FindAll(ready).Select(batch => batch.Items)];
        if (complete.Count > 0)
            _open.RemoveAll(ready);
        return complete;
    }
}
