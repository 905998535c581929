using FilterPruning.Layers;

namespace FilterPruning.Surgery;

/// <summary>Which positions along one axis of a tensor stay, and which go.</summary>
/// <param name="Axis">The axis.</param>
/// <param name="Kept">Positions that stay, ascending.</param>
/// <param name="Removed">Positions that go, ascending.</param>
/// <param name="Reads">Whether zeros at the positions hide their channels from the layer.</param>
internal sealed record ChannelPositions(int Axis, long[] Kept, long[] Removed, bool Reads)
{
    /// <summary>Turns channel indices of a layer into positions along one of its tensors' axes.</summary>
    /// <param name="layer">The layer's name, for errors.</param>
    /// <param name="tensor">The tensor's name, for errors.</param>
    /// <param name="axis">What the axis holds.</param>
    /// <param name="length">The axis's length.</param>
    /// <param name="channels">The layer's channels on that side.</param>
    /// <param name="removed">The channels to go, ascending.</param>
    /// <returns>Null when nothing goes along this axis.</returns>
    public static ChannelPositions? Along(string layer, string tensor, TensorAxis axis, long length, int channels, IReadOnlyList<int> removed)
    {
        var count = axis.Count ?? channels - axis.Offset;
        if (length <= 0 || count <= 0 || axis.Offset + count > channels || (length % count != 0 && count % length != 0))
        {
            throw new PruningException(
                $"Tensor '{tensor}' of layer '{layer}' has {length} positions along axis {axis.Axis}, which fits neither its {channels} channels nor a multiple or a block of them. "
                + "Correct the layer's rule.");
        }

        var gone = new bool[length];
        var any = false;
        foreach (var channel in removed)
        {
            if (channel < axis.Offset || channel >= axis.Offset + count)
                continue;
            any = true;
            for (var position = (channel - axis.Offset) % length; position < length; position += count)
                gone[position] = true;
        }

        if (!any)
            return null;
        var positions = Enumerable.Range(0, (int)length);
        return new ChannelPositions(axis.Axis, [.. positions.Where(p => !gone[p]).Select(p => (long)p)], [.. positions.Where(p => gone[p]).Select(p => (long)p)], axis.Reads);
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
