using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Recovery;

/// <summary>
/// How the input units of a consumer form channels: a channel is what one group feeds, and it may feed several units (49 features of a
/// flattened 7×7 map). Each block of a grouped layer has a layout of its own.
/// </summary>
internal sealed class ConsumerLayout
{
    private ConsumerLayout(int block, int firstUnit, int[,] units, bool[] kept)
    {
        Block = block;
        FirstUnit = firstUnit;
        Units = units;
        Kept = kept;
    }

    /// <summary>The block of a grouped layer, otherwise 0.</summary>
    public int Block { get; }

    /// <summary>The first input unit of the block.</summary>
    public int FirstUnit { get; }

    /// <summary>Units of each channel at each position, <c>[channels, positions]</c>, counted from the block's first unit.</summary>
    public int[,] Units { get; }

    /// <summary>Which channels stay.</summary>
    public bool[] Kept { get; }

    public int Channels => Units.GetLength(0);

    public int Positions => Units.GetLength(1);

    public int KeptCount => Kept.Count(kept => kept);

    /// <summary>The layouts of a layer's blocks.</summary>
    public static IReadOnlyList<ConsumerLayout> Of(TracedLayer layer, IReadOnlySet<int> removedInputs)
    {
        var blocks = layer.Mapping == ChannelMapping.Grouped ? layer.Rule.Blocks(layer.Module) : 1;
        var width = layer.InputChannels / blocks;
        return [.. Enumerable.Range(0, blocks).Select(block => OfBlock(layer, removedInputs, block, block * width, width))];
    }

    private static ConsumerLayout OfBlock(TracedLayer layer, IReadOnlySet<int> removed, int block, int first, int width)
    {
        // Units of one group are one channel at several positions, as long as every group has equally many and stays or goes as a whole.
        var byGroup = Enumerable.Range(0, width).GroupBy(unit => layer.InputGroups[first + unit]).Select(group => group.ToArray()).ToArray();
        var positions = byGroup[0].Length;
        var regular = byGroup.All(units => units.Length == positions && units.Select(unit => removed.Contains(first + unit)).Distinct().Count() == 1);
        if (!regular)
        {
            byGroup = [.. Enumerable.Range(0, width).Select(unit => new[] { unit })];
            positions = 1;
        }

        var table = new int[byGroup.Length, positions];
        for (var channel = 0; channel < byGroup.Length; channel++)
        {
            for (var position = 0; position < positions; position++)
                table[channel, position] = byGroup[channel][position];
        }

        return new ConsumerLayout(block, first, table, [.. byGroup.Select(units => !removed.Contains(first + units[0]))]);
    }

    /// <summary>The units in channel-major order, int64 <c>[channels × positions]</c>; the caller's.</summary>
    public Tensor UnitIndex() => tensor(Units.Cast<int>().Select(unit => (long)unit).ToArray(), int64);

    /// <summary><c>[rows, units]</c> → <c>[rows × positions, channels]</c>, with the units of <see cref="UnitIndex"/> in the layer's own count; the caller's.</summary>
    public Tensor ByChannel(Tensor rows, Tensor units) =>
        rows.index_select(1, units).reshape(rows.shape[0], Channels, Positions).transpose(1, 2).reshape(-1, Channels);

    /// <summary>The channels that stay, int64; the caller's.</summary>
    public Tensor KeptIndex() => tensor(Enumerable.Range(0, Channels).Where(channel => Kept[channel]).Select(channel => (long)channel).ToArray(), int64);
}
