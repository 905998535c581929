using FilterPruning.Tracing;

namespace FilterPruning.Graph;

/// <summary>
/// All outputs that reach several input channels of one layer at once, and the ways in which channels of it may go. Which way is right is not guessed: each is rehearsed, the finest first.
/// </summary>
internal sealed class Mixture
{
    private readonly List<(Connection Connection, int Output, SortedSet<int> Inputs)> _entries;
    private readonly List<List<(int First, int Second)>> _ways;

    private Mixture(LayerNode reader, List<(Connection Connection, int Output, SortedSet<int> Inputs)> entries, IReadOnlyList<Connection> all)
    {
        Reader = reader;
        _entries = entries;
        // The last way: all that is mixed goes together.
        _ways = [[.. entries.SelectMany(entry => entry.Inputs.Select(input => (entry.Connection.From.Layer.Out(entry.Output), Reader.In(input))))]];
        Places = EqualBlocks() is { } blocks ? SamePlaces(blocks, all) : null;
    }

    /// <summary>The layer that reads the mixture.</summary>
    public LayerNode Reader { get; }

    /// <summary>The producers' outputs and what they reach, in the numbering of <see cref="LayerNode.In"/>.</summary>
    public IReadOnlyList<(Connection Connection, int Output, SortedSet<int> Inputs)> Entries => _entries;

    /// <summary>
    /// If the mixture falls into equal blocks, as attention falls into heads: ties between equal places of all blocks and of all that reaches them. Null otherwise. Worth a try only where
    /// the channels have partners.
    /// </summary>
    public IReadOnlyList<(int First, int Second)>? Places { get; }

    /// <summary>Whether every channel that is mixed is multiplied with exactly one other.</summary>
    public bool HasPartners { get; private set; }

    /// <summary>Which way is tried now.</summary>
    public int Way { get; set; }

    /// <summary>Whether no way is left and the channels have to stay.</summary>
    public bool IsPinned => Way >= _ways.Count;

    /// <summary>The ties of the present way, in units.</summary>
    public IReadOnlyList<(int First, int Second)> Ties => IsPinned ? [] : _ways[Way];

    /// <summary>One mixture for each layer that reads one.</summary>
    public static List<Mixture> In(Evidence evidence) =>
        evidence.Connections.SelectMany(c => c.Mixed.Select(pair => (Connection: c, Output: pair.Key, Inputs: pair.Value)))
            .GroupBy(entry => entry.Connection.To.Layer)
            .Select(reader => new Mixture(reader.Key, [.. reader], [.. evidence.Connections.Where(connection => connection.To.Layer == reader.Key)])).ToList();

    /// <summary>The channels that are mixed.</summary>
    public IReadOnlyList<(LayerNode Layer, int Channel)> Channels() => [.. _entries.Select(entry => (entry.Connection.From.Layer, entry.Output)).Distinct()];

    /// <summary>Adds the way of equal places.</summary>
    public void AllowPlaces()
    {
        HasPartners = true;
        _ways.Insert(0, [.. Places!]);
    }

    /// <summary>Every unit that takes part.</summary>
    public HashSet<int> Units()
    {
        var units = new HashSet<int>();
        foreach (var (connection, output, inputs) in _entries)
        {
            units.Add(connection.From.Layer.Out(output));
            foreach (var input in inputs) units.Add(Reader.In(input));
        }
        return units;
    }

    // Sets of inputs that overlap belong together; together they are blocks of equal width: the heads of an attention layer. One block that holds everything counts too.
    private List<int[]>? EqualBlocks()
    {
        var union = new UnionFind(_entries.Max(entry => entry.Inputs.Max) + 1);
        foreach (var (_, _, inputs) in _entries)
            foreach (var input in inputs) union.Union(inputs.Min, input);
        var blocks = _entries.SelectMany(entry => entry.Inputs).Distinct().GroupBy(union.Find).Select(block => block.Order().ToArray()).OrderBy(block => block[0]).ToList();
        return blocks.TrueForAll(block => block.Length == blocks[0].Length) ? blocks : null;
    }

    /// <summary>Equal places of all blocks: of the reader's inputs, and of whatever reaches them, mixed (queries, keys) or alone (values), taken in order, as often as a block is wide.</summary>
    private List<(int First, int Second)> SamePlaces(List<int[]> blocks, IReadOnlyList<Connection> all)
    {
        var (ties, width, blockOf) = (new List<(int, int)>(), blocks[0].Length, new Dictionary<int, int>());
        for (var number = 0; number < blocks.Count; number++)
        {
            for (var place = 0; place < width; place++)
            {
                blockOf[blocks[number][place]] = number;
                ties.Add((Reader.In(blocks[0][place]), Reader.In(blocks[number][place])));
            }
        }
        var widths = new Dictionary<int, int[]>();
        var reached = all.SelectMany(connection => connection.Exact.Select(pair => (connection.From.Layer, pair.Out, pair.In)))
            .Concat(_entries.Select(entry => (entry.Connection.From.Layer, Out: entry.Output, In: entry.Inputs.Min))).Where(reach => blockOf.ContainsKey(reach.In));
        foreach (var block in reached.GroupBy(reach => (reach.Layer, Block: blockOf[reach.In])))
        {
            if (block.Key.Layer.Rule is Layers.BareTensorRule) continue;
            var outputs = block.Select(reach => reach.Out).Distinct().Order().ToArray();
            // Queries and keys of another width than the values have places of their own.
            var own = outputs.Length % width != 0;
            if (own) widths.TryAdd(outputs.Length, [.. outputs.Select(output => block.Key.Layer.Out(output))]);
            for (var at = 0; at < outputs.Length; at++) ties.Add((own ? widths[outputs.Length][at] : Reader.In(blocks[0][at % width]), block.Key.Layer.Out(outputs[at])));
        }
        return ties;
    }
}
