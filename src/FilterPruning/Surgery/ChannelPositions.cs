namespace FilterPruning.Surgery;

/// <summary>Which positions along one axis of a tensor stay, and which go.</summary>
/// <param name="Axis">The axis.</param>
/// <param name="Kept">Positions that stay, ascending.</param>
/// <param name="Removed">Positions that go, ascending.</param>
internal sealed record ChannelPositions(int Axis, long[] Kept, long[] Removed)
{
    /// <summary>Turns channel indices of a layer into positions along an axis that holds all channels, or those of one block.</summary>
    /// <param name="layer">The layer's name, for errors.</param>
    /// <param name="tensor">The tensor's name, for errors.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="length">The axis's length.</param>
    /// <param name="channels">The layer's channels on that side.</param>
    /// <param name="removed">The channels to go, ascending.</param>
    /// <param name="blocks">The layer's number of blocks.</param>
    public static ChannelPositions Along(string layer, string tensor, int axis, long length, int channels, IReadOnlyList<int> removed, int blocks)
    {
        if (length != channels && length * blocks != channels)
        {
            throw new PruningException(
                $"Tensor '{tensor}' of layer '{layer}' has {length} positions along axis {axis}, which fits neither its {channels} channels nor one of its {blocks} blocks. "
                + "Correct the layer's rule.");
        }

        var gone = new bool[length];
        foreach (var channel in removed)
            gone[channel % length] = true;
        var positions = Enumerable.Range(0, (int)length);
        return new ChannelPositions(axis, [.. positions.Where(p => !gone[p]).Select(p => (long)p)], [.. positions.Where(p => gone[p]).Select(p => (long)p)]);
    }

    /// <summary>Whether every block of a grouped layer loses the same positions.</summary>
    public static bool SameInEveryBlock(int channels, IReadOnlyList<int> removed, int blocks)
    {
        var size = channels / blocks;
        var lost = removed.GroupBy(channel => channel / size, channel => channel % size).ToDictionary(block => block.Key, block => block.ToArray());
        if (lost.Count == 0)
            return true;
        var first = lost.First().Value;
        return lost.Count == blocks && lost.Values.All(block => block.SequenceEqual(first));
    }
}
