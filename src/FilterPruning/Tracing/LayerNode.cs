using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Tracing;

/// <summary>A layer, and where its units lie in the union-find. A channel-wise layer has one unit a channel, shared by both sides.</summary>
/// <remarks>Channels that go into a call are numbered through: first the input side, then, for what reads the layer's own output channels (the initial state of a recurrent layer), the output side.</remarks>
internal sealed class LayerNode
{
    public LayerNode(string name, nn.Module module, LayerRule rule, int firstUnit)
    {
        (Name, Module, Rule) = (name, module, rule);
        Inputs = rule.InputChannels(module);
        Outputs = rule.OutputChannels(module);
        Mapping = rule.Mapping(module);
        OutBase = firstUnit;
        InBase = Mapping == ChannelMapping.ChannelWise ? firstUnit : firstUnit + Outputs;
        UnitCount = Mapping == ChannelMapping.ChannelWise ? Outputs : Outputs + Inputs;
    }

    public string Name { get; }

    public nn.Module Module { get; }

    public LayerRule Rule { get; }

    public int Inputs { get; }

    public int Outputs { get; }

    public ChannelMapping Mapping { get; }

    public int UnitCount { get; }

    public int FirstUnit => OutBase;

    private int OutBase { get; }

    private int InBase { get; }

    /// <summary>The unit of an input channel, in the numbering of what goes into a call.</summary>
    public int In(int channel) => channel < Inputs ? InBase + channel : OutBase + channel - Inputs;

    public int Out(int channel) => OutBase + channel;

    /// <summary>The number, among all that goes into a call, of a channel of one side.</summary>
    public int Number(ChannelAxis side, int channel) => side == ChannelAxis.Input ? channel : Inputs + channel;

    /// <summary>The layers of a model in registration order. Modules inside a layer are that layer's own business and are left out.</summary>
    public static List<LayerNode> Find(nn.Module model, LayerRules rules)
    {
        var nodes = new List<LayerNode>();
        var seen = new HashSet<nn.Module>(ReferenceEqualityComparer.Instance);
        var unit = 0;
        Visit("", model);
        return nodes;

        void Visit(string path, nn.Module module)
        {
            if (!seen.Add(module)) return;
            if (rules.Find(module) is { } rule)
            {
                var node = new LayerNode(path.Length == 0 ? module.GetName() : path, module, rule, unit);
                unit += node.UnitCount;
                nodes.Add(node);
                return;
            }
            foreach (var (name, child) in module.named_children()) Visit(path.Length == 0 ? name : $"{path}.{name}", child);
        }
    }
}
