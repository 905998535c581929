namespace FilterPruning.Tracing;

/// <summary>
/// Finds code that counts channels: chunks, slices and shuffles, which stay right only while equal blocks lose the same places.
/// </summary>
/// <remarks>
/// <para>A concatenation, a flatten in either memory order or a broadcast reads all channels of a source in order, possibly several times, and does so with
/// any number of channels. A run that begins or ends inside a source, or steps through the reader by more than one, means that a number of channels entered the code:
/// <c>chunk(2)</c> needs halves, <c>view(N, G, C/G, …)</c> followed by a transposition deals channels out to every G-th place.</para>
/// <para>Runs that begin and end on a common grid of at most <see cref="MostBlocks"/> blocks tie equal places of the blocks; strided runs tie the places that are
/// dealt next to each other. Both keep the code right if it computes its numbers from shapes. Whether it does, and whatever fits neither pattern, is for the rehearsal to find out.</para>
/// </remarks>
internal sealed class CountedReshapes
{
    /// <summary>More blocks than this are taken for an accident of positions rather than for something that code wrote down.</summary>
    private const int MostBlocks = 8;

    private readonly Dictionary<CallEvidence, SortedSet<int>> _borders = [];

    private CountedReshapes(Evidence evidence)
    {
        foreach (var connection in evidence.Connections) Examine(connection);
        foreach (var (call, borders) in _borders) TieBlocks(call, borders);
    }

    /// <summary>Pairs of units that must go together.</summary>
    public List<(int First, int Second)> Ties { get; } = [];

    public static CountedReshapes In(Evidence evidence) => new(evidence);

    private void Examine(Connection connection)
    {
        // Channels that stayed dark (and are pinned for it) would look like gaps.
        if (connection.To.InputLive.Contains(false) || connection.From.Layer.Rule is Layers.BareTensorRule) return;
        // All of a source, in order and from the first input on: what most readers read.
        if (connection.Exact.Count == connection.From.Layer.Outputs && connection.Exact.All(pair => pair.Out == pair.In)) return;
        // Into a recurrent layer's state: that layer's own channels, in order.
        if (connection.Exact.Any(pair => pair.In >= connection.To.Layer.Inputs)) return;
        var outputs = new Dictionary<int, int>();
        // Sums over channels tie all they add; what is left to say about them is the rehearsal's.
        foreach (var (output, input) in connection.Exact)
            if (!outputs.TryAdd(input, output)) return;
        if (outputs.Count == 0) return;
        var live = Enumerable.Range(0, connection.From.Layer.Outputs).Where(output => connection.From.OutputLive[output]).ToArray();
        var place = new Dictionary<int, int>();
        for (var i = 0; i < live.Length; i++) place[live[i]] = i;

        var runs = RunsByInput(outputs, place);
        if (runs.TrueForAll(run => run.First == 0 && run.Last == live.Length - 1)) return;
        if (Stride(connection, outputs) is { } stride) runs = TieDealt(connection, outputs, place, stride);
        if (!_borders.TryGetValue(connection.From, out var borders)) _borders[connection.From] = borders = [];
        foreach (var (first, last) in runs)
        {
            borders.Add(live[first]);
            borders.Add(live[last] + 1);
        }
    }

    // Maximal runs of neighbouring inputs that read a source in order, in places among its live channels.
    private static List<(int First, int Last)> RunsByInput(Dictionary<int, int> outputs, Dictionary<int, int> place)
    {
        var runs = new List<(int First, int Last)>();
        var previousInput = int.MinValue;
        foreach (var (input, output) in outputs.OrderBy(pair => pair.Key))
        {
            var at = place[output];
            if (input == previousInput + 1 && runs[^1].Last is var last && (at == last || at == last + 1)) runs[^1] = (runs[^1].First, at);
            else runs.Add((at, at));
            previousInput = input;
        }
        return runs;
    }

    /// <summary>The step by which a source's channels are dealt out to the reader's inputs, if it is the same throughout and at least 2.</summary>
    private static int? Stride(Connection connection, Dictionary<int, int> outputs)
    {
        var inputOf = outputs.Select(pair => (Output: pair.Value, Input: pair.Key)).OrderBy(pair => pair.Output).ToArray();
        if (inputOf.Length < 2 || inputOf.Select(pair => pair.Output).Distinct().Count() != inputOf.Length) return null;
        var stride = inputOf[1].Input - inputOf[0].Input;
        if (stride < 2 || connection.To.Layer.Inputs % stride != 0) return null;
        var breaks = 0;
        for (var i = 1; i < inputOf.Length; i++)
            if (inputOf[i].Input - inputOf[i - 1].Input != stride || inputOf[i].Output != inputOf[i - 1].Output + 1) breaks++;
        return breaks < stride ? stride : null;
    }

    private List<(int First, int Last)> TieDealt(Connection connection, Dictionary<int, int> outputs, Dictionary<int, int> place, int stride)
    {
        // What joins beside the shuffled channels is not shuffled.
        var (lowest, highest) = (outputs.Keys.Min(), outputs.Keys.Max());
        var end = Math.Min(connection.To.Layer.Inputs, highest - (highest % stride) + stride);
        for (var input = lowest - (lowest % stride); input < end; input++)
            Ties.Add((connection.To.Layer.In(input), connection.To.Layer.In(input - (input % stride))));
        // Runs in the order of the source: each begins where the reader's place falls back.
        var runs = new List<(int First, int Last)>();
        var previous = int.MinValue;
        foreach (var (input, output) in outputs.OrderBy(pair => pair.Value))
        {
            var at = place[output];
            if (input == previous + stride && runs[^1].Last == at - 1) runs[^1] = (runs[^1].First, at);
            else runs.Add((at, at));
            previous = input;
        }
        return runs;
    }

    private void TieBlocks(CallEvidence call, SortedSet<int> borders)
    {
        var width = call.Layer.Outputs;
        var block = borders.Aggregate(width, GreatestCommonDivisor);
        if (block == width) return;
        // What is no pattern of few blocks (a mirror, an order that is written down) is for the rehearsal to judge.
        if (block == 1 || width / block > MostBlocks) return;
        for (var output = block; output < width; output++) Ties.Add((call.Layer.Out(output), call.Layer.Out(output % block)));
    }

    private static int GreatestCommonDivisor(int a, int b) => b == 0 ? a : GreatestCommonDivisor(b, a % b);
}
