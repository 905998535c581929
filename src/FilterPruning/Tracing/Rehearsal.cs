using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Proof;
using FilterPruning.Surgery;

namespace FilterPruning.Tracing;

/// <summary>
/// Runs the model's code with some channels gone, without cutting anything, and compares what it does with what it does when those channels are zero.
/// </summary>
/// <remarks>
/// <para>The code between layers is run twice on made-up outputs of the layers. First at full width, with zeros in the channels to go; then narrow, with those channels left out and the rest
/// the same. If the channels can go, every layer gets the same values in the channels that stay, and the model returns the same. A number written down in the code
/// (<c>view(-1, 400)</c>, <c>x[:, :8]</c>) shows as an exception, a wrong width, or, where the widths happen to fit (attention heads dealt out anew), as wrong values.</para>
/// <para>Layers work on stand-ins of full width meanwhile; what they give is not looked at.</para>
/// </remarks>
internal sealed class Rehearsal(IReadOnlyList<LayerNode> nodes, Func<IReadOnlyList<Tensor>> forward, int seed)
{
    // Sums over fewer addends are rounded differently; anything that was mistaken differs by the size of the values.
    private const double Tolerance = 2e-3;

    // A narrow role may lose just what the code bears, by luck; it is tried more often.
    private const int FewGroups = 32;

    // A share that differs from role to role.
    private const double Uneven = -1;

    /// <summary>Whether the code behaves with these roles thinned out at the first scale of values that it bears at all.</summary>
    /// <returns>What went wrong, or null.</returns>
    public string? Failure(IReadOnlyList<TracedLayer> layers, IReadOnlyList<ChannelRole> roles)
    {
        // Some of each role and then the others, so that every group goes once, and neighbours lose different numbers; then other shares.
        List<HashSet<int>> draws = [Choose(layers, roles, Uneven, 0), Choose(layers, roles, Uneven, 0, otherEnd: true)];
        if (roles.Any(role => role.Count < FewGroups)) draws.AddRange([Choose(layers, roles, 0.3, 1), Choose(layers, roles, 0, 2), Choose(layers, roles, 0.3, 3), Choose(layers, roles, 0, 4)]);
        foreach (var removed in draws.Where(removed => removed.Count > 0))
        {
            for (var scale = 0; scale < PortValues.Scales; scale++)
            {
                if (!Compare(layers, removed, PortValues.ScaleOf(scale), out var failure)) continue;
                if (failure is not null) return failure;
                break;
            }
        }
        // Code that bears no made-up values says nothing.
        return null;
    }

    /// <summary>The same at several scales, some mostly negative, with other numbers of groups gone each time: for ties that are only suspected.</summary>
    public string? FailureAtAnyScale(IReadOnlyList<TracedLayer> layers, IReadOnlyList<ChannelRole> roles)
    {
        var borne = false;
        ((double Mean, double Deviation) Scale, double Share)[] trials = [((0, 0.3), 1 / 3.0), ((1.5, 3), 0), ((-1.5, 1), 0.5), ((0, 0.5), 0.2)];
        for (var trial = 0; trial < trials.Length; trial++)
        {
            var removed = Choose(layers, roles, trials[trial].Share, trial);
            if (removed.Count == 0) return null;
            if (!Compare(layers, removed, trials[trial].Scale, out var failure)) continue;
            if (failure is not null) return failure;
            borne = true;
        }
        return borne ? null : "the code bears none of the values that were tried";
    }

    /// <returns>False when the code does not bear the values even at full width.</returns>
    private bool Compare(IReadOnlyList<TracedLayer> layers, HashSet<int> removed, (double Mean, double Deviation) scale, out string? failure)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var bare = new Snapshot();
        failure = null;
        IReadOnlyList<Tensor> expected;
        using var stage = new Stage(nodes, layers, removed, ValuesAt(scale));
        try
        {
            Exchange(stage, bare, narrow: false);
            expected = stage.Run(forward, seed);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            bare.RestoreValues();
            return false;
        }
        try
        {
            Exchange(stage, bare, narrow: true);
            stage.BeginNarrow();
            var returned = stage.Run(forward, seed);
            failure = stage.Mismatch ?? stage.Unfinished ?? Difference(returned, expected);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            // Whatever the model's code says about a narrower tensor, it says that it needs the wide one.
            failure = stage.Mismatch ?? $"the forward threw: {FirstLine(error.GetBaseException().Message)}";
        }
        finally
        {
            bare.RestoreValues();
        }
        return true;
    }

    // Parameters and buffers outside all layers are part of the code that is tried.
    private static void Exchange(Stage stage, Snapshot snapshot, bool narrow)
    {
        snapshot.RestoreValues();
        foreach (var (tensor, axis, kept, gone) in stage.BareTensors())
        {
            if (!narrow) snapshot.Remember(tensor);
            var value = narrow ? tensor.detach().index_select(axis, kept) : tensor.detach().clone().index_fill_(axis, gone, 0);
            tensor.set_(value);
        }
    }

    private static string? Difference(IReadOnlyList<Tensor> returned, IReadOnlyList<Tensor> expected)
    {
        if (returned.Count != expected.Count) return $"the model returned {returned.Count} tensors instead of {expected.Count}";
        for (var i = 0; i < returned.Count; i++)
        {
            if (!returned[i].shape.SequenceEqual(expected[i].shape))
                return $"the model returned a tensor of shape [{string.Join(", ", returned[i].shape)}] instead of [{string.Join(", ", expected[i].shape)}]";
            if (Differ(returned[i], expected[i])) return "the model returned other values";
        }
        return null;
    }

    private static bool Differ(Tensor actual, Tensor expected) => !(RelativeError.Of(actual, expected) <= RelativeError.Allowed(expected.dtype, Tolerance));

    // A share of each role's groups, at least one, no layer emptied. A draw from the other end takes what the draw itself leaves.
    private HashSet<int> Choose(IReadOnlyList<TracedLayer> layers, IReadOnlyList<ChannelRole> roles, double share, int draw, bool otherEnd = false)
    {
        var removed = new HashSet<int>();
        foreach (var role in roles)
        {
            var groups = role.Groups.ToArray();
            // Each role by itself: neighbours must not lose the same places.
            var random = new Random(seed + (7919 * draw) + (31 * role.Groups[0]));
            random.Shuffle(groups);
            var count = Math.Max(1, (int)(groups.Length * (share == Uneven ? 0.25 + (0.45 * random.NextDouble()) : share)));
            removed.UnionWith(otherEnd && groups.Length > 1 ? groups.Skip(count) : groups.Take(count));
        }
        foreach (var layer in layers)
        {
            Spare(layer.InputGroups, removed);
            Spare(layer.OutputGroups, removed);
        }
        return removed;
    }

    private static void Spare(int[] groups, HashSet<int> removed)
    {
        if (groups.Length > 0 && Array.TrueForAll(groups, removed.Contains)) removed.Remove(groups[0]);
    }

    private static string FirstLine(string message)
    {
        var end = message.IndexOf('\n', StringComparison.Ordinal);
        return end < 0 ? message : message[..end];
    }

    private readonly Dictionary<(double Mean, double Deviation), PortValues> _valuesAt = [];

    // One pool of numbers a scale serves every comparison.
    private PortValues ValuesAt((double Mean, double Deviation) scale)
    {
        if (_valuesAt.TryGetValue(scale, out var values)) return values;
        using var generator = new Generator((ulong)seed, CPU);
        return _valuesAt[scale] = new PortValues(generator, scale.Mean, scale.Deviation);
    }

    private sealed class WrongInputException(string message) : Exception(message);

    /// <summary>Where the channels of one side that stay, and those to go, lie in tensors: worked out once, asked for at every call.</summary>
    private sealed class Places(int[] groups, HashSet<int> removed) : IDisposable
    {
        private readonly Dictionary<(TensorPort Port, long Length, bool Kept), Tensor> _at = [];
        private readonly bool[] _gone = [.. groups.Select(removed.Contains)];

        public bool LosesNothing { get; } = !Array.Exists(groups, removed.Contains);

        public Tensor Kept(TensorPort port, Tensor value) => At(port, value, true);

        public Tensor Gone(TensorPort port, Tensor value) => At(port, value, false);

        public void Dispose()
        {
            foreach (var at in _at.Values) at.Dispose();
            _at.Clear();
        }

        private Tensor At(TensorPort port, Tensor value, bool kept)
        {
            var length = value.shape[port.Axis];
            if (_at.TryGetValue((port, length, kept), out var known)) return known;
            long[] positions = [.. Enumerable.Range(0, (int)length).Where(position => _gone[port.Channel(position)] != kept).Select(position => (long)position)];
            return _at[(port, length, kept)] = tensor(positions, device: value.device).DetachFromDisposeScope();
        }
    }

    /// <summary>The hooks of one comparison: a wide run that writes down, then a narrow one that checks.</summary>
    private sealed class Stage : IDisposable
    {
        private readonly List<IDisposable> _hooks = [];
        private readonly List<(LayerNode Node, Places Inputs, Places Outputs)> _layers = [];
        private readonly List<(int Layer, List<Tensor> Inputs)> _calls = [];
        private readonly PortValues _values;
        private bool _narrow;
        private int _next;
        private int _outputs;

        public Stage(IReadOnlyList<LayerNode> nodes, IReadOnlyList<TracedLayer> layers, HashSet<int> removed, PortValues values)
        {
            _values = values;
            var byName = layers.ToDictionary(layer => layer.Name, StringComparer.Ordinal);
            foreach (var node in nodes)
            {
                if (!byName.TryGetValue(node.Name, out var layer)) continue;
                var index = _layers.Count;
                _layers.Add((node, new Places(layer.InputGroups, removed), new Places(layer.OutputGroups, removed)));
                _hooks.Add(node.Rule.Watch(node.Module, new CallWatcher(inputs => Before(index, inputs), (_, outputs) => After(index, outputs))));
            }
        }

        /// <summary>The first wrong input, even where the model's own code caught the exception.</summary>
        public string? Mismatch { get; private set; }

        public string? Unfinished => _next == _calls.Count ? null : $"the model called {_next} layers instead of {_calls.Count}";

        public IReadOnlyList<Tensor> Run(Func<IReadOnlyList<Tensor>> forward, int seed)
        {
            _outputs = 0;
            manual_seed(seed);
            return [.. forward().Select(tensor => tensor.detach().clone())];
        }

        public void BeginNarrow() => _narrow = true;

        public IEnumerable<(Tensor Tensor, int Axis, Tensor Kept, Tensor Gone)> BareTensors()
        {
            foreach (var (node, _, outputs) in _layers)
            {
                if (node.Rule is not BareTensorRule rule || outputs.LosesNothing) continue;
                var bare = rule.Tensors(node.Module)[0].Tensor;
                var port = new TensorPort(0, rule.Axis, ChannelAxis.Output);
                yield return (bare, rule.Axis, outputs.Kept(port, bare), outputs.Gone(port, bare));
            }
        }

        public void Dispose()
        {
            foreach (var hooks in _hooks) hooks.Dispose();
            foreach (var input in _calls.SelectMany(call => call.Inputs)) input.Dispose();
            foreach (var (_, inputs, outputs) in _layers)
            {
                inputs.Dispose();
                outputs.Dispose();
            }
        }

        private IReadOnlyList<Tensor?> Before(int layer, IReadOnlyList<Tensor?> inputs) => _narrow ? Check(layer, inputs) : Note(layer, inputs);

        private IReadOnlyList<Tensor?> Note(int layer, IReadOnlyList<Tensor?> inputs)
        {
            var node = _layers[layer].Node;
            var noted = new List<Tensor>();
            foreach (var port in node.Rule.InputPorts(node.Module, inputs)) noted.Add(Kept(inputs[port.Index]!, port, layer).DetachFromDisposeScope());
            _calls.Add((layer, noted));
            return inputs;
        }

        private Tensor?[] Check(int layer, IReadOnlyList<Tensor?> inputs)
        {
            var node = _layers[layer].Node;
            if (_next >= _calls.Count || _calls[_next].Layer != layer) throw Wrong($"{node.Name} was called where it was another layer's turn");
            var expected = _calls[_next++].Inputs;
            var wide = inputs.ToArray();
            var at = 0;
            foreach (var port in node.Rule.InputPorts(node.Module, inputs))
            {
                var (input, wanted) = (inputs[port.Index]!, expected[at++]);
                if (!input.shape.SequenceEqual(wanted.shape))
                    throw Wrong($"{node.Name} got an input of shape [{string.Join(", ", input.shape)}] where it should have been [{string.Join(", ", wanted.shape)}]");
                if (Differ(input, wanted)) throw Wrong($"{node.Name} got other values in the channels that stay");
                var shape = input.shape;
                shape[port.Axis] = port.Count ?? Width(node, port.Side);
                // In a whole number of repetitions where the axis repeats its channels.
                wide[port.Index] = input.shape[port.Axis] == shape[port.Axis] ? input : ones(shape, dtype: input.dtype, device: input.device);
            }
            return wide;
        }

        private Tensor[] After(int layer, IReadOnlyList<Tensor> outputs)
        {
            var (node, _, places) = _layers[layer];
            var handed = outputs.ToArray();
            foreach (var port in node.Rule.OutputPorts(node.Module, outputs))
            {
                if (!outputs[port.Index].is_floating_point()) continue;
                // By the output's number: both runs get the same.
                var values = _values.At(_outputs++, outputs[port.Index], port);
                if (places.LosesNothing) handed[port.Index] = values;
                else if (_narrow) handed[port.Index] = values.index_select(port.Axis, places.Kept(port, values));
                else handed[port.Index] = values.index_fill_(port.Axis, places.Gone(port, values), 0);
            }
            return handed;
        }

        private Tensor Kept(Tensor value, TensorPort port, int layer)
        {
            var (_, inputs, outputs) = _layers[layer];
            var places = port.Side == ChannelAxis.Input ? inputs : outputs;
            return places.LosesNothing ? value.clone() : value.index_select(port.Axis, places.Kept(port, value));
        }

        private static int Width(LayerNode node, ChannelAxis side) => side == ChannelAxis.Input ? node.Inputs : node.Outputs;

        private WrongInputException Wrong(string message)
        {
            Mismatch ??= message;
            return new WrongInputException(message);
        }
    }
}
