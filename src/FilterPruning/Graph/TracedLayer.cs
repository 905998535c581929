using FilterPruning.Layers;

namespace FilterPruning.Graph;

/// <summary>The shapes of one call of a layer during tracing.</summary>
/// <param name="InputShape">Shape of the tensor that went in.</param>
/// <param name="OutputShape">Shape of the tensor that came out.</param>
public sealed record LayerCall(IReadOnlyList<long> InputShape, IReadOnlyList<long> OutputShape);

/// <summary>A module with a layer rule that was seen in the forward.</summary>
public sealed class TracedLayer
{
    internal TracedLayer(string name, nn.Module module, LayerRule rule, IReadOnlyList<LayerCall> calls)
    {
        Name = name;
        Module = module;
        Rule = rule;
        Calls = calls;
        InputChannels = rule.InputChannels(module);
        OutputChannels = rule.OutputChannels(module);
        Mapping = rule.Mapping(module);
        InputGroups = new int[InputChannels];
        OutputGroups = new int[OutputChannels];
    }

    /// <summary>The layer's path in the model, for instance <c>backbone.body.layer1.0.conv1</c>.</summary>
    public string Name { get; }

    /// <summary>The layer type, for instance <c>Conv2d</c>.</summary>
    public string Kind => Rule.Kind;

    /// <summary>Width of the input when the model was traced.</summary>
    public int InputChannels { get; }

    /// <summary>Width of the output when the model was traced.</summary>
    public int OutputChannels { get; }

    /// <summary>Whether any of the layer's output channels may be removed.</summary>
    public bool IsPrunable { get; internal set; }

    /// <summary>How outputs depend on inputs.</summary>
    public ChannelMapping Mapping { get; }

    /// <summary>Every call of the layer in the traced forward, in order.</summary>
    public IReadOnlyList<LayerCall> Calls { get; }

    /// <summary>Shapes of some call seen in tracing, also of one that only training makes; null for what is never called.</summary>
    internal LayerCall? Sample { get; init; }

    /// <summary>The module itself; owned by the model.</summary>
    internal nn.Module Module { get; }

    internal LayerRule Rule { get; }

    /// <summary>Group index of each input channel.</summary>
    internal int[] InputGroups { get; }

    /// <summary>Group index of each output channel.</summary>
    internal int[] OutputGroups { get; }
}
