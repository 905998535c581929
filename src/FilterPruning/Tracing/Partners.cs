using FilterPruning.Layers;

namespace FilterPruning.Tracing;

/// <summary>
/// Finds whether each channel of a mixture is multiplied with exactly one other channel that a layer makes, as query channels are with key channels. Only then may both go: against a constant
/// or a parameter, a narrower tensor would not fit.
/// </summary>
/// <remarks>
/// A channel whose partner is zero has no influence left, so its derivative vanishes. Every channel gets a number; for each bit of the numbers, all channels with that bit set are made zero, then all
/// others. A channel with a single partner goes dead in one of the two, for every bit, and the bits spell the partner's number. Sums, softmaxes over channels and products with constants never go dead.
/// </remarks>
internal sealed class Partners(IReadOnlyList<LayerNode> nodes, Func<object?> forward, int seed)
{
    // Small values keep a softmax from saturating.
    private const double Deviation = 0.4;

    /// <summary>The readers of which every mixed channel has one partner among the channels mixed there.</summary>
    /// <param name="channels">For each reader, the channels that are mixed before it.</param>
    public IReadOnlySet<LayerNode> Complete(IReadOnlyDictionary<LayerNode, IReadOnlyList<(LayerNode Layer, int Channel)>> channels)
    {
        var complete = new HashSet<LayerNode>(channels.Keys);
        if (complete.Count == 0) return complete;
        var numbers = channels.ToDictionary(pair => pair.Key, pair => pair.Value.Select((channel, number) => (channel, number)).ToDictionary(item => item.channel, item => item.number));
        Drop(_ => false, dead => dead.Any(isDead => isDead));
        var most = numbers.Values.Max(known => known.Count);
        var partners = numbers.ToDictionary(pair => pair.Key, pair => new int[pair.Value.Count]);
        for (var bit = 0; (bit == 0 || 1 << bit < most) && complete.Count > 0; bit++)
        {
            var set = Dead(number => (number >> bit & 1) == 1);
            var unset = Dead(number => (number >> bit & 1) == 0);
            complete.RemoveWhere(reader => !set.TryGetValue(reader, out var one) || !unset.TryGetValue(reader, out var other) || one.Zip(other).Any(pair => pair.First == pair.Second));
            foreach (var reader in complete)
                for (var number = 0; number < partners[reader].Length; number++)
                    if (set[reader][number]) partners[reader][number] |= 1 << bit;
        }
        // A channel that goes dead by its own zeros (behind a ReLU) has no partner by that; two that are each other's have.
        complete.RemoveWhere(reader => partners[reader].Where((partner, number) => partner == number || partner >= partners[reader].Length || partners[reader][partner] != number).Any());
        return complete;

        void Drop(Func<int, bool> zeroed, Func<bool[], bool> bad)
        {
            var dead = Dead(zeroed);
            complete.RemoveWhere(reader => !dead.TryGetValue(reader, out var found) || bad(found));
        }

        Dictionary<LayerNode, bool[]> Dead(Func<int, bool> zeroed)
        {
            try
            {
                return Run(numbers, zeroed);
            }
            catch (Exception error) when (error is not (OutOfMemoryException or PruningException))
            {
                // Code that does not bear these values says nothing.
                return [];
            }
        }
    }

    private Dictionary<LayerNode, bool[]> Run(Dictionary<LayerNode, Dictionary<(LayerNode, int), int>> numbers, Func<int, bool> zeroed)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)seed, CPU);
        generator.manual_seed(seed);
        manual_seed(seed);
        set_grad_enabled(true);
        var zeros = numbers.Values.SelectMany(known => known).Where(pair => zeroed(pair.Value)).Select(pair => pair.Key).ToLookup(channel => channel.Item1, channel => channel.Item2);
        using var recording = new Recording(nodes, new ZeroedValues(generator, zeros));
        ReturnedTensors.In(forward());
        var alive = numbers.ToDictionary(pair => pair.Key, pair => new bool[pair.Value.Count]);
        var called = new HashSet<LayerNode>();
        foreach (var call in recording.Calls.Where(call => numbers.ContainsKey(call.Layer) && call.Inputs.Count > 0))
        {
            called.Add(call.Layer);
            Mark(recording, call, numbers[call.Layer], alive[call.Layer], generator);
        }
        return called.ToDictionary(reader => reader, reader => alive[reader].Select(isAlive => !isAlive).ToArray());
    }

    private static void Mark(Recording recording, RecordedCall call, Dictionary<(LayerNode, int), int> numbers, bool[] alive, Generator generator)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var layers = numbers.Keys.Select(key => key.Item1).ToHashSet();
        var ports = recording.Ports.Take(call.PortsBefore).Where(port => layers.Contains(port.Call.Layer)).ToList();
        foreach (var (_, input) in call.Inputs.Where(input => input.Tensor.requires_grad))
        {
            var cotangent = randn(input.shape, dtype: float32, generator: generator).to(input.dtype).to(input.device);
            var gradients = Gradients.Of([input], [.. ports.Select(port => port.Leaf)], [cotangent]);
            for (var i = 0; i < ports.Count; i++)
            {
                if (gradients[i] is not { } gradient || gradient.numel() == 0) continue;
                var reached = new ProbeSource(ports[i].Leaf, ports[i].Port.Axis, i).Rows(gradient).ne(0).any(1).cpu().data<bool>().ToArray();
                for (var position = 0; position < reached.Length; position++)
                    if (reached[position] && numbers.TryGetValue((ports[i].Call.Layer, ports[i].Port.Channel(position)), out var number)) alive[number] = true;
            }
        }
    }

    private sealed class ZeroedValues(Generator generator, ILookup<LayerNode, int> zeros) : PortValues(generator, 0, Deviation)
    {
        public override (Tensor Leaf, Tensor Handed) Make(LayerNode layer, Tensor output, TensorPort port)
        {
            var made = base.Make(layer, output, port);
            if (!zeros.Contains(layer)) return made;
            using var guard = no_grad();
            var channels = zeros[layer].ToHashSet();
            var positions = Enumerable.Range(0, (int)output.shape[port.Axis]).Where(position => channels.Contains(port.Channel(position))).Select(position => (long)position).ToArray();
            using var at = tensor(positions, device: output.device);
            made.Leaf.index_fill_(port.Axis, at, 0);
            set_grad_enabled(true);
            made.Handed.Dispose();
            return (made.Leaf, HandOn(made.Leaf, output.shape));
        }
    }
}
