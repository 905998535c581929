using FilterPruning.Graph;
using FilterPruning.Proof;

namespace FilterPruning.Tests.Surgery;

/// <summary>A dependency graph whose ties are written down by hand.</summary>
internal sealed class HandGraph
{
    private readonly nn.Module _model;
    private readonly Func<object?> _forward;
    private readonly List<TracedLayer> _layers = [];
    private readonly Dictionary<(string, ChannelAxis, int), int> _units = [];
    private readonly List<int> _parents = [];
    private readonly Dictionary<int, Pin> _pins = [];

    public HandGraph(nn.Module model, Func<object?> forward)
    {
        _model = model;
        _forward = forward;
        foreach (var (name, module, calls) in ObserveCalls())
        {
            var layer = new TracedLayer(name, module, TestRule.For(module), calls);
            _layers.Add(layer);
            for (var i = 0; i < layer.OutputChannels; i++)
                Unit(name, ChannelAxis.Output, i);
            for (var i = 0; i < layer.InputChannels; i++)
            {
                Unit(name, ChannelAxis.Input, i);
                if (layer.Mapping == Layers.ChannelMapping.ChannelWise)
                    Unite(Unit(name, ChannelAxis.Input, i), Unit(name, ChannelAxis.Output, i));
            }

            if (layer.Mapping == Layers.ChannelMapping.Grouped)
                TieBlocks(layer);
        }
    }

    /// <summary>Output channels of one layer reach input channels of another: channel i reaches inputs i·per + offset and the per − 1 after it.</summary>
    public HandGraph Tie(string from, string to, int offset = 0, int per = 1)
    {
        for (var i = 0; i < Layer(from).OutputChannels; i++)
        {
            for (var k = 0; k < per; k++)
                Unite(Unit(from, ChannelAxis.Output, i), Unit(to, ChannelAxis.Input, offset + (i * per) + k));
        }

        return this;
    }

    public HandGraph PinInput(string layer) => Pin(layer, ChannelAxis.Input, Layer(layer).InputChannels, PinReason.ModelInput);

    public HandGraph PinOutput(string layer) => Pin(layer, ChannelAxis.Output, Layer(layer).OutputChannels, PinReason.ModelOutput);

    public DependencyGraph Build()
    {
        var byRoot = new Dictionary<int, int>();
        var members = new List<List<ChannelMember>>();
        foreach (var layer in _layers)
        {
            Fill(layer, ChannelAxis.Output, layer.OutputGroups);
            Fill(layer, ChannelAxis.Input, layer.InputGroups);
        }

        var pins = _pins.ToLookup(pin => byRoot[Root(pin.Key)], pin => pin.Value);
        var groups = members.Select((list, i) => new ChannelGroup(i, list, pins[i].FirstOrDefault())).ToList();
        foreach (var layer in _layers)
            layer.IsPrunable = layer.OutputGroups.Any(group => groups[group].Pin is null);
        return new DependencyGraph(_model, _forward, _layers, groups);

        void Fill(TracedLayer layer, ChannelAxis axis, int[] target)
        {
            for (var i = 0; i < target.Length; i++)
            {
                var root = Root(Unit(layer.Name, axis, i));
                if (!byRoot.TryGetValue(root, out var group))
                {
                    byRoot[root] = group = members.Count;
                    members.Add([]);
                }

                target[i] = group;
                if (axis == ChannelAxis.Output || layer.Mapping != Layers.ChannelMapping.ChannelWise)
                    members[group].Add(new ChannelMember(layer.Name, axis, i));
            }
        }
    }

    private void TieBlocks(TracedLayer layer)
    {
        var blocks = layer.Rule.Blocks(layer.Module);
        foreach (var (axis, channels) in new[] { (ChannelAxis.Input, layer.InputChannels), (ChannelAxis.Output, layer.OutputChannels) })
        {
            for (var i = channels / blocks; i < channels; i++)
                Unite(Unit(layer.Name, axis, i % (channels / blocks)), Unit(layer.Name, axis, i));
        }
    }

    private HandGraph Pin(string layer, ChannelAxis axis, int channels, PinReason reason)
    {
        for (var i = 0; i < channels; i++)
            _pins[Unit(layer, axis, i)] = new Pin(reason, layer, $"Pinned at the {axis} side of {layer}.");
        return this;
    }

    private List<(string, nn.Module, IReadOnlyList<LayerCall>)> ObserveCalls()
    {
        using var scope = NewDisposeScope();
        using var quiet = new QuietRun(_model, "an observation");
        var calls = new List<(string Name, nn.Module Module, LayerCall Call)>();
        var hooks = new List<Action>();
        foreach (var (name, module) in _model.named_modules())
        {
            if (module is not TestLayer layer)
                continue;
            var hook = layer.register_forward_hook((_, input, output) =>
            {
                calls.Add((name, layer, new LayerCall(input.shape, output.shape)));
                return output;
            });
            hooks.Add(hook.remove);
        }

        _forward();
        hooks.ForEach(remove => remove());
        return [.. calls.GroupBy(call => call.Name).Select(layer => (layer.Key, layer.First().Module, (IReadOnlyList<LayerCall>)[.. layer.Select(call => call.Call)]))];
    }

    private TracedLayer Layer(string name) => _layers.Single(layer => layer.Name == name);

    private int Unit(string layer, ChannelAxis axis, int channel)
    {
        if (!_units.TryGetValue((layer, axis, channel), out var unit))
        {
            _units[(layer, axis, channel)] = unit = _parents.Count;
            _parents.Add(unit);
        }

        return unit;
    }

    private int Root(int unit) => _parents[unit] == unit ? unit : Root(_parents[unit]);

    private void Unite(int a, int b) => _parents[Math.Max(Root(a), Root(b))] = Math.Min(Root(a), Root(b));
}
