namespace FilterPruning.Detection.Data;

/// <summary>
/// The order in which training sees a data set: a new random permutation each epoch, which is a function of the seed and the epoch alone. So a run that was interrupted goes on at any
/// position exactly as it would have.
/// </summary>
/// <remarks>Positions count samples from the beginning of training: position p is entry p mod count of epoch p ÷ count. Immutable; thread-safe.</remarks>
public sealed class SampleOrder
{
    /// <summary>Defines an order.</summary>
    /// <param name="count">Samples of the data set, 1 or more.</param>
    /// <param name="seed">Any number.</param>
    public SampleOrder(int count, int seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Count = count;
        Seed = seed;
    }

    /// <summary>Samples of the data set.</summary>
    public int Count { get; }

    /// <summary>The seed that was given.</summary>
    public int Seed { get; }

    /// <summary>The permutation of 0 … Count − 1 of an epoch.</summary>
    /// <param name="epoch">0 or more.</param>
    public int[] Epoch(int epoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        return Permutation(Count, Seed, 1L + epoch);
    }

    /// <summary>The samples from a position on, epoch after epoch without end.</summary>
    /// <param name="position">How many samples came before, 0 or more.</param>
    public IEnumerable<int> From(long position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        return Follow(position);
    }

    /// <summary>A permutation of 0 … count − 1 of a seed; unlike streams of one seed are unrelated.</summary>
    internal static int[] Permutation(int count, int seed, long stream)
    {
        var order = Enumerable.Range(0, count).ToArray();
        var random = SplitMix64.ForItem(seed, stream);
        random.Shuffle(order.AsSpan());
        return order;
    }

    private IEnumerable<int> Follow(long position)
    {
        var start = (int)(position % Count);
        for (var epoch = checked((int)(position / Count)); ; epoch++)
        {
            var order = Epoch(epoch);
            for (var i = start; i < Count; i++)
                yield return order[i];
            start = 0;
        }
    }
}
