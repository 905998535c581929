using FilterPruning.Layers;

namespace FilterPruning.Tracing;

/// <summary>A module with a rule, and where its units lie in the union-find. A channel-wise layer has one unit a channel, shared by both sides.</summary>
internal sealed class LayerNode
{
    private LayerNode(int index, string name, nn.Module<Tensor, Tensor> module, LayerRule rule, int firstUnit)
    {
        (Index, Name, Module, Rule) = (index, name, module, rule);
        Inputs = rule.InputChannels(module);
        Outputs = rule.OutputChannels(module);
        Mapping = rule.Mapping(module);
        OutBase = firstUnit;
        InBase = Mapping == ChannelMapping.ChannelWise ? firstUnit : firstUnit + Outputs;
        UnitCount = Mapping == ChannelMapping.ChannelWise ? Outputs : Outputs + Inputs;
    }

    public int Index { get; }

    public string Name { get; }

    public nn.Module<Tensor, Tensor> Module { get; }

    public LayerRule Rule { get; }

    public int Inputs { get; }

    public int Outputs { get; }

    public ChannelMapping Mapping { get; }

    public int UnitCount { get; }

    public int FirstUnit => OutBase;

    private int OutBase { get; }

    private int InBase { get; }

    public int In(int channel) => InBase + channel;

    public int Out(int channel) => OutBase + channel;

    /// <summary>The layers of a model in registration order. Modules inside a layer are that layer's own business and are left out.</summary>
    public static IReadOnlyList<LayerNode> Find(nn.Module model, LayerRules rules)
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
                Add(path.Length == 0 ? module.GetName() : path, module, rule);
                return;
            }
            foreach (var (name, child) in module.named_children()) Visit(path.Length == 0 ? name : $"{path}.{name}", child);
        }

        void Add(string path, nn.Module module, LayerRule rule)
        {
            if (module is not nn.Module<Tensor, Tensor> hookable)
                throw new PruningException(
                    $"The rule {rule.Kind} describes '{path}', a {module.GetType().Name}, which is no Module<Tensor, Tensor>; layers with a rule take one tensor and return one.");
            var node = new LayerNode(nodes.Count, path, hookable, rule, unit);
            unit += node.UnitCount;
            nodes.Add(node);
        }
    }
}
