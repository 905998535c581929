using FilterPruning.Layers;
using FilterPruning.Tracing;

namespace FilterPruning.Graph;

/// <summary>Turns the evidence of tracing into ties, pins and groups.</summary>
internal sealed class GraphBuilder
{
    private readonly IReadOnlyList<LayerNode> _nodes;
    private readonly Evidence _evidence;
    private readonly IReadOnlyDictionary<LayerNode, List<LayerCall>> _shapes;
    private readonly Dictionary<int, Pin> _pins = [];
    private readonly UnionFind _ties;

    public GraphBuilder(IReadOnlyList<LayerNode> nodes, Evidence evidence, IReadOnlyDictionary<LayerNode, List<LayerCall>> shapes)
    {
        // Data order: layers as the forward first called them. Layers never called are no part of the graph.
        _nodes = evidence.Calls.Select(call => call.Layer).Distinct().ToList();
        (_evidence, _shapes) = (evidence, shapes);
        _ties = new UnionFind(nodes.Sum(node => node.UnitCount));
    }

    /// <param name="model">The traced model.</param>
    /// <param name="forward">Kept in the graph.</param>
    /// <param name="rehearse">Finds groups that the model's code does not let go, with what happened when they went.</param>
    public DependencyGraph Build(nn.Module model, Func<object?> forward, Func<IReadOnlyList<TracedLayer>, IReadOnlyList<ChannelGroup>, IReadOnlyDictionary<int, string>> rehearse)
    {
        foreach (var connection in _evidence.Connections) connection.Settle();
        TieExact();
        TieCounted();
        TieMixed();
        PinInputs();
        PinOutputs();
        var layers = _nodes.Select(node => new TracedLayer(node.Name, node.Module, node.Rule, _shapes.GetValueOrDefault(node) ?? [])).ToList();
        var groups = Groups(layers);
        var fixedGroups = rehearse(layers, groups);
        groups = groups.Select(group => fixedGroups.TryGetValue(group.Index, out var failure) ? Fixed(group, failure) : group).ToList();
        foreach (var layer in layers) layer.IsPrunable = layer.OutputGroups.Any(group => groups[group].Pin is null);
        return new DependencyGraph(model, forward, layers, groups) { Edges = Edges() };
    }

    private static ChannelGroup Fixed(ChannelGroup group, string failure) =>
        new(group.Index, group.Members, new Pin(PinReason.FixedByCode, group.Members[0].Layer, $"with some of these channels gone, {failure}."));

    private void TieCounted()
    {
        var counted = CountedReshapes.In(_evidence);
        foreach (var (first, second) in counted.Ties) _ties.Union(first, second);
        foreach (var call in counted.Unsafe)
            for (var output = 0; output < call.Layer.Outputs; output++)
                Pin(call.Layer.Out(output), PinReason.FixedByCode, call.Layer, $"the code after {call} picks its channels by number, in no pattern of equal blocks");
    }

    private void TieExact()
    {
        foreach (var connection in _evidence.Connections)
            foreach (var (output, input) in connection.Exact)
                _ties.Union(connection.From.Layer.Out(output), connection.To.Layer.In(input));
        foreach (var node in _nodes.Where(node => node.Mapping == ChannelMapping.Grouped)) TieBlocks(node);
    }

    // A block of a grouped layer can only lose what every other block loses at the same place.
    private void TieBlocks(LayerNode node)
    {
        var blocks = node.Rule.Blocks(node.Module);
        for (var channel = 0; channel < node.Inputs; channel++) _ties.Union(node.In(channel), node.In(channel % (node.Inputs / blocks)));
        for (var channel = 0; channel < node.Outputs; channel++) _ties.Union(node.Out(channel), node.Out(channel % (node.Outputs / blocks)));
    }

    /// <summary>
    /// An output that reaches several inputs at once may only go when all of them go. Tying it to them says so (an attention head becomes one
    /// group). Where that would tie a whole layer together (one gate for all channels), the output is pinned instead and the others stay free.
    /// </summary>
    private void TieMixed()
    {
        var mixed = _evidence.Connections.SelectMany(c => c.Mixed.Select(pair => (Connection: c, Output: pair.Key, Inputs: pair.Value))).ToList();
        if (mixed.Count == 0) return;
        var tied = _ties.Copy();
        foreach (var (connection, output, inputs) in mixed) Tie(tied, connection, output, inputs);
        var whole = SwallowedLayers(tied);
        foreach (var (connection, output, inputs) in mixed)
        {
            var unit = connection.From.Layer.Out(output);
            if (!whole.ContainsKey(tied.Find(unit)))
            {
                Tie(_ties, connection, output, inputs);
                continue;
            }
            Pin(unit, PinReason.Mixed, connection.From.Layer,
                $"output channel {output} of {connection.From} reaches {inputs.Count} of {connection.To.Layer.Inputs} input channels of {connection.To} at once");
            foreach (var input in inputs)
                if (!HasExactSource(connection.To, input))
                    Pin(connection.To.Layer.In(input), PinReason.Mixed, connection.To.Layer, $"input channel {input} of {connection.To} is a mixture of output channels of {connection.From}");
        }

        static void Tie(UnionFind ties, Connection connection, int output, IEnumerable<int> inputs)
        {
            foreach (var input in inputs) ties.Union(connection.From.Layer.Out(output), connection.To.Layer.In(input));
        }
    }

    private readonly Dictionary<CallEvidence, HashSet<int>> _exactInputs = [];

    private bool HasExactSource(CallEvidence call, int input)
    {
        if (_exactInputs.Count == 0)
            foreach (var group in _evidence.Connections.GroupBy(c => c.To))
                _exactInputs[group.Key] = group.SelectMany(c => c.Exact.Select(pair => pair.In)).ToHashSet();
        return _exactInputs.TryGetValue(call, out var inputs) && inputs.Contains(input);
    }

    private void PinInputs()
    {
        foreach (var call in _evidence.Calls)
        {
            for (var input = 0; input < call.Layer.Inputs; input++)
            {
                var unit = call.Layer.In(input);
                if (!call.Seen)
                    Pin(unit, PinReason.NotObserved, call.Layer, $"no trial ran {call} on anything but an empty tensor");
                else if (call.FromOutside.TryGetValue(input, out var name))
                    Pin(unit, PinReason.ModelInput, call.Layer, $"{name} enters input channel {input} of {call}");
                else if (!call.HasHistory)
                    Pin(unit, PinReason.ModelInput, call.Layer, $"{call} reads the model's input, or a value that no derivative connects to another layer");
                else if (!call.InputLive[input])
                    Pin(unit, PinReason.NotObserved, call.Layer,
                        $"in {_evidence.Trials} trials nothing was seen to reach input channel {input} of {call}: it is a constant, comes from outside the model, or stayed hidden");
            }
        }
    }

    private void PinOutputs()
    {
        foreach (var call in _evidence.Calls)
        {
            var reachesNothing = !call.OutputLive.Contains(true);
            for (var output = 0; output < call.Layer.Outputs; output++)
            {
                var unit = call.Layer.Out(output);
                if (call.OutputReturned[output])
                    Pin(unit, PinReason.ModelOutput, call.Layer, $"output channel {output} of {call} reaches a value that the model returns");
                else if (!call.Seen)
                    Pin(unit, PinReason.NotObserved, call.Layer, $"no trial ran {call} on anything but an empty tensor");
                else if (reachesNothing)
                    Pin(unit, PinReason.FeedsNothingTraceable, call.Layer,
                        $"in {_evidence.Trials} trials no derivative connected the output of {call} to another layer or to a returned value");
                else if (!call.OutputLive[output])
                    Pin(unit, PinReason.NotObserved, call.Layer, $"in {_evidence.Trials} trials output channel {output} of {call} was not seen to reach anything, though others were");
            }
        }
    }

    // The gravest reason wins (the order of the enum), then the first found.
    private void Pin(int unit, PinReason reason, LayerNode layer, string evidence)
    {
        if (!_pins.TryGetValue(unit, out var known) || reason < known.Reason) _pins[unit] = new Pin(reason, layer.Name, evidence + ".");
    }

    private List<ChannelGroup> Groups(List<TracedLayer> layers)
    {
        var indexOfRoot = new Dictionary<int, int>();
        var members = new List<List<ChannelMember>>();
        var filtered = new HashSet<int>();
        foreach (var (node, layer) in _nodes.Zip(layers))
        {
            if (node.Mapping != ChannelMapping.ChannelWise) Book(node, ChannelAxis.Input, node.In, layer.InputGroups);
            Book(node, ChannelAxis.Output, node.Out, layer.OutputGroups);
            if (node.Mapping == ChannelMapping.ChannelWise) layer.OutputGroups.CopyTo(layer.InputGroups, 0);
            if (node.Rule.Filters(node.Module) is not null)
                for (var output = 0; output < node.Outputs; output++) filtered.Add(_ties.Find(node.Out(output)));
        }
        var pins = ComponentPins(filtered);
        return indexOfRoot.OrderBy(pair => pair.Value).Select(pair => new ChannelGroup(pair.Value, members[pair.Value], pins.GetValueOrDefault(pair.Key))).ToList();

        void Book(LayerNode node, ChannelAxis axis, Func<int, int> unit, int[] groups)
        {
            for (var channel = 0; channel < groups.Length; channel++)
            {
                var root = _ties.Find(unit(channel));
                if (!indexOfRoot.TryGetValue(root, out var index))
                {
                    indexOfRoot[root] = index = members.Count;
                    members.Add([]);
                }
                groups[channel] = index;
                members[index].Add(new ChannelMember(node.Name, axis, channel));
            }
        }
    }

    private Dictionary<int, Pin> ComponentPins(HashSet<int> filtered)
    {
        var pins = new Dictionary<int, Pin>();
        foreach (var (unit, pin) in _pins.OrderBy(pair => pair.Key))
        {
            var root = _ties.Find(unit);
            if (!pins.TryGetValue(root, out var known) || pin.Reason < known.Reason) pins[root] = pin;
        }
        foreach (var (root, pin) in SwallowedLayers(_ties)) pins.TryAdd(root, pin);
        foreach (var node in _nodes)
            for (var output = 0; output < node.Outputs; output++)
                if (_ties.Find(node.Out(output)) is var root && !filtered.Contains(root))
                    pins.TryAdd(root, new Pin(PinReason.ModelInput, node.Name, $"no filter of a traced layer makes output channel {output} of {node.Name}."));
        return pins;
    }

    /// <summary>Components that hold every channel of one side of a layer: removing one would leave that layer without channels.</summary>
    private Dictionary<int, Pin> SwallowedLayers(UnionFind ties)
    {
        var swallowed = new Dictionary<int, Pin>();
        foreach (var node in _nodes)
        {
            Check(node, node.Inputs, node.In, "input");
            Check(node, node.Outputs, node.Out, "output");
        }
        return swallowed;

        void Check(LayerNode node, int count, Func<int, int> unit, string side)
        {
            if (count == 0) return;
            var root = ties.Find(unit(0));
            for (var channel = 1; channel < count; channel++)
                if (ties.Find(unit(channel)) != root) return;
            swallowed.TryAdd(root, new Pin(PinReason.WholeLayer, node.Name,
                count == 1 ? $"it is the only {side} channel of {node.Name}." : $"all {count} {side} channels of {node.Name} can only be removed together."));
        }
    }

    private List<GraphEdge> Edges()
    {
        var pairs = new Dictionary<(LayerNode From, LayerNode To), (HashSet<int> Outputs, HashSet<int> Inputs, bool Mixed)>();
        var edges = new List<GraphEdge>();
        foreach (var connection in _evidence.Connections)
        {
            var key = (connection.From.Layer, connection.To.Layer);
            var (outputs, inputs, mixed) = pairs.GetValueOrDefault(key, ([], [], false));
            foreach (var (output, input) in connection.Exact)
            {
                outputs.Add(output);
                inputs.Add(input);
            }
            foreach (var (output, reached) in connection.Mixed)
            {
                outputs.Add(output);
                inputs.UnionWith(reached);
            }
            pairs[key] = (outputs, inputs, mixed || connection.Mixed.Count > 0);
        }
        foreach (var from in _nodes)
            foreach (var to in _nodes)
                if (pairs.TryGetValue((from, to), out var pair)) edges.Add(new GraphEdge(from.Name, to.Name, pair.Outputs.Count, pair.Inputs.Count, pair.Mixed));
        return edges;
    }
}
