namespace FilterPruning.Layers;

/// <summary>How a layer's output channels depend on its input channels.</summary>
public enum ChannelMapping
{
    /// <summary>Every output channel depends on every input channel (convolution, linear).</summary>
    Dense,

    /// <summary>Output channel <c>i</c> depends on input channel <c>i</c> alone (norms, depthwise convolution): both are one unit.</summary>
    ChannelWise,

    /// <summary>Channels fall into equal blocks; an output channel depends on the input channels of its own block (grouped convolution).</summary>
    Grouped,
}
