using FilterPruning.Layers;
using FilterPruning.Storage;
using FilterPruning.Tracing;

namespace FilterPruning.Graph;

/// <summary>Turns the evidence of tracing into ties, pins and groups.</summary>
internal sealed class GraphBuilder
{
    private readonly IReadOnlyList<LayerNode> _nodes;
    private readonly Evidence _evidence;
    private readonly IReadOnlyDictionary<LayerNode, List<LayerCall>> _shapes;
    private readonly IReadOnlyDictionary<LayerNode, LayerCall> _samples;
    private readonly IReadOnlyList<string> _uncalled;
    private readonly Dictionary<int, Pin> _pins = [];
    private readonly UnionFind _ties;
    private readonly List<(int First, int Second)> _decided = [];

    public GraphBuilder(IReadOnlyList<LayerNode> nodes, Evidence evidence, IReadOnlyDictionary<LayerNode, List<LayerCall>> shapes, IReadOnlyDictionary<LayerNode, LayerCall> samples)
    {
        // Data order: layers as the forward first called them. Layers never called are no part of the graph.
        _nodes = evidence.Calls.Select(call => call.Layer).Distinct().ToList();
        (_evidence, _shapes, _samples) = (evidence, shapes, samples);
        _uncalled = [.. nodes.Except(_nodes).Select(node => node.Name)];
        _ties = new UnionFind(nodes.Sum(node => node.UnitCount));
    }

    /// <param name="model">The traced model.</param>
    /// <param name="forward">Kept in the graph.</param>
    /// <param name="trials">Try whether the model's code lets groups go; null to take everything for granted.</param>
    /// <param name="known">Ties that were decided before.</param>
    public DependencyGraph Build(
        nn.Module model, Func<object?> forward, (Rehearsal Rehearsal, Partners Partners)? trials, IReadOnlyList<(ChannelMember First, ChannelMember Second)> known)
    {
        foreach (var connection in _evidence.Connections) connection.Settle();
        TieExact();
        TieCounted();
        foreach (var (first, second) in known)
            if (UnitOf(first) is { } one && UnitOf(second) is { } other) _ties.Union(one, other);
        PinInputs();
        PinOutputs();
        PinShared();
        if (trials is { } run)
        {
            new MixtureSettlement(this, run.Rehearsal, run.Partners).Settle(Mixture.In(_evidence));
            new FixedRoles(this, run.Rehearsal).Settle();
        }
        else
        {
            // Nothing is decided anew; what was decided is in the ties.
            foreach (var (connection, output, inputs) in Mixture.In(_evidence).SelectMany(mixture => mixture.Entries)) PinMixed(connection, output, inputs, withSources: false);
        }
        var draft = MakeDraft();
        foreach (var layer in draft.Layers) layer.IsPrunable = layer.OutputGroups.Any(group => draft.Groups[group].Pin is null);
        return new DependencyGraph(model, forward, draft.Layers, draft.Groups) { Edges = Edges(), UncalledLayers = _uncalled, DecidedTies = [.. _decided.Select(tie => (MemberOf(tie.First), MemberOf(tie.Second)))] };
    }

    /// <summary>Layers and groups as the ties and pins are at some point.</summary>
    internal sealed record Draft(List<TracedLayer> Layers, List<ChannelGroup> Groups)
    {
        /// <summary>The roles that may be removed, of those groups that a predicate picks.</summary>
        public IReadOnlyList<ChannelRole> FreeRoles(Func<ChannelGroup, bool>? pick = null) =>
            ChannelRole.Of([.. Groups.Where(group => group.Pin is null && (pick is null || pick(group)))]);
    }

    /// <summary>What the graph would be with some more ties.</summary>
    internal Draft MakeDraft(IEnumerable<(int First, int Second)>? more = null)
    {
        var ties = more is null ? _ties : _ties.Copy();
        foreach (var (first, second) in more ?? []) ties.Union(first, second);
        var layers = _nodes.Select(node => new TracedLayer(node.Name, node.Module, node.Rule, _shapes.GetValueOrDefault(node) ?? []) { Sample = _samples.GetValueOrDefault(node) }).ToList();
        return new Draft(layers, Groups(layers, ties));
    }

    /// <summary>Makes ties that were tried part of the graph.</summary>
    internal void Decide(IEnumerable<(int First, int Second)> ties)
    {
        foreach (var (first, second) in ties)
        {
            if (_ties.Find(first) == _ties.Find(second)) continue;
            _ties.Union(first, second);
            _decided.Add((first, second));
        }
    }

    /// <summary>Units of some groups' members.</summary>
    internal IEnumerable<int> UnitsOf(ChannelGroup group) => group.Members.Select(member => UnitOf(member)!.Value);

    /// <summary>Makes a group stay because of the model's own code.</summary>
    internal void PinFixed(ChannelGroup group, string failure)
    {
        var first = group.Members[0];
        Pin(UnitOf(first)!.Value, PinReason.FixedByCode, _nodesByName[first.Layer], $"with some of these channels gone, {failure}");
    }

    /// <summary>Makes what cannot be told apart stay: a mixture's output, and the inputs it reaches, if asked for also those that other channels reach alone.</summary>
    internal void PinMixed(Connection connection, int output, SortedSet<int> inputs, bool withSources)
    {
        Pin(connection.From.Layer.Out(output), PinReason.Mixed, connection.From.Layer,
            $"output channel {output} of {connection.From} reaches {inputs.Count} of {connection.To.Layer.Inputs} input channels of {connection.To} at once");
        foreach (var input in inputs)
            if (withSources || !HasExactSource(connection.To, input))
                Pin(connection.To.Layer.In(input), PinReason.Mixed, connection.To.Layer, $"input channel {input} of {connection.To} is a mixture of output channels of {connection.From}");
    }

    /// <summary>Whether all of one side of some layer would hang together.</summary>
    internal Func<int, bool> Swallowed(IEnumerable<(int First, int Second)> more)
    {
        var ties = _ties.Copy();
        foreach (var (first, second) in more) ties.Union(first, second);
        var roots = SwallowedLayers(ties);
        return unit => roots.ContainsKey(ties.Find(unit));
    }

    private Dictionary<string, LayerNode>? _byName;

    private Dictionary<string, LayerNode> _nodesByName => _byName ??= _nodes.ToDictionary(node => node.Name, StringComparer.Ordinal);

    private int? UnitOf(ChannelMember member) => !_nodesByName.TryGetValue(member.Layer, out var node) ? null
        : member.Axis == ChannelAxis.Input ? member.Channel < node.Inputs ? node.In(member.Channel) : null
        : member.Channel < node.Outputs ? node.Out(member.Channel) : null;

    private ChannelMember MemberOf(int unit)
    {
        var node = _nodes.First(candidate => unit >= candidate.FirstUnit && unit < candidate.FirstUnit + candidate.UnitCount);
        var place = unit - node.FirstUnit;
        return place < node.Outputs ? new ChannelMember(node.Name, ChannelAxis.Output, place) : new ChannelMember(node.Name, ChannelAxis.Input, place - node.Outputs);
    }

    private void TieCounted()
    {
        foreach (var (first, second) in CountedReshapes.In(_evidence).Ties) _ties.Union(first, second);
    }

    private void TieExact()
    {
        foreach (var connection in _evidence.Connections)
            foreach (var (output, input) in connection.Exact)
                _ties.Union(connection.From.Layer.Out(output), connection.To.Layer.In(input));
        foreach (var node in _nodes)
        {
            TieByRule(node, ChannelAxis.Input, node.Mapping == ChannelMapping.ChannelWise ? 0 : node.Inputs, node.In);
            TieByRule(node, ChannelAxis.Output, node.Outputs, node.Out);
        }
    }

    // What the layer itself can only lose together: equal places of blocks, whole groups of a norm.
    private void TieByRule(LayerNode node, ChannelAxis side, int channels, Func<int, int> unit)
    {
        var first = new Dictionary<int, int>();
        for (var channel = 0; channel < channels; channel++)
        {
            var label = node.Rule.TieLabel(node.Module, side, channel);
            if (!first.TryAdd(label, channel)) _ties.Union(unit(first[label]), unit(channel));
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
                else if (!call.InputLive[input] && call.Obstacle is { } obstacle)
                    Pin(unit, PinReason.NotObserved, call.Layer, $"the code before {call} cannot be differentiated, perhaps because it changes a value in place after using it: {obstacle.TrimEnd('.')}");
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
            var feedsReturnsAlone = call.FeedsReturnsAlone;
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
                else if (!call.OutputLive[output] && feedsReturnsAlone)
                    Pin(unit, PinReason.ModelOutput, call.Layer,
                        $"{call} feeds only what the model returns: so do all of its output channels that were seen to reach anything; channel {output} belongs to something that the example did not bring out, such as a class that was not detected");
                else if (!call.OutputLive[output] && !LiveByRule(call, output))
                    Pin(unit, PinReason.NotObserved, call.Layer, $"in {_evidence.Trials} trials output channel {output} of {call} was not seen to reach anything, though others were");
            }
        }
    }

    // The last states of a recurrent layer show its channels once for both directions.
    private static bool LiveByRule(CallEvidence call, int output)
    {
        var (rule, module) = (call.Layer.Rule, call.Layer.Module);
        if (rule is not RecurrentRule) return false;
        var label = rule.TieLabel(module, ChannelAxis.Output, output);
        return Enumerable.Range(0, call.Layer.Outputs).Any(other => call.OutputLive[other] && rule.TieLabel(module, ChannelAxis.Output, other) == label);
    }

    // A tensor that two owners hold cannot be narrowed for one of them.
    private void PinShared()
    {
        var owners = new Dictionary<IntPtr, (LayerNode Node, string Name)>();
        foreach (var node in _nodes)
        {
            foreach (var part in node.Rule.Tensors(node.Module))
            {
                if (_evidence.SharedWeights.TryGetValue(part.Tensor.Identity(), out var outside)) PinAll(node, $"{node.Name}.{part.Name} is also {outside}");
                if (owners.TryAdd(part.Tensor.Identity(), (node, $"{node.Name}.{part.Name}"))) continue;
                var (other, name) = owners[part.Tensor.Identity()];
                PinAll(node, $"{node.Name}.{part.Name} is the same tensor as {name}");
                PinAll(other, $"{name} is the same tensor as {node.Name}.{part.Name}");
            }
        }

        void PinAll(LayerNode node, string evidence)
        {
            for (var unit = node.FirstUnit; unit < node.FirstUnit + node.UnitCount; unit++) Pin(unit, PinReason.FixedByCode, node, evidence);
        }
    }

    // The gravest reason wins (the order of the enum), then the first found.
    private void Pin(int unit, PinReason reason, LayerNode layer, string evidence)
    {
        if (!_pins.TryGetValue(unit, out var known) || reason < known.Reason) _pins[unit] = new Pin(reason, layer.Name, evidence + ".");
    }

    private List<ChannelGroup> Groups(List<TracedLayer> layers, UnionFind ties)
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
                for (var output = 0; output < node.Outputs; output++) filtered.Add(ties.Find(node.Out(output)));
        }
        var pins = ComponentPins(filtered, ties);
        return indexOfRoot.OrderBy(pair => pair.Value).Select(pair => new ChannelGroup(pair.Value, members[pair.Value], pins.GetValueOrDefault(pair.Key))).ToList();

        void Book(LayerNode node, ChannelAxis axis, Func<int, int> unit, int[] groups)
        {
            for (var channel = 0; channel < groups.Length; channel++)
            {
                var root = ties.Find(unit(channel));
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

    private Dictionary<int, Pin> ComponentPins(HashSet<int> filtered, UnionFind ties)
    {
        var pins = new Dictionary<int, Pin>();
        foreach (var (unit, pin) in _pins.OrderBy(pair => pair.Key))
        {
            var root = ties.Find(unit);
            if (!pins.TryGetValue(root, out var known) || pin.Reason < known.Reason) pins[root] = pin;
        }
        foreach (var (root, pin) in SwallowedLayers(ties)) pins.TryAdd(root, pin);
        foreach (var node in _nodes)
            for (var output = 0; output < node.Outputs; output++)
                if (ties.Find(node.Out(output)) is var root && !filtered.Contains(root))
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
