namespace FilterPruning.Planning;

/// <summary>What a <see cref="PruningTarget"/> counts.</summary>
public enum TargetMeasure
{
    /// <summary>Channel groups, as <see cref="PruningOptions.Ratio"/> counts them.</summary>
    Filters,

    /// <summary>Weights and biases; see <see cref="Cost.Parameters"/>.</summary>
    Parameters,

    /// <summary>Multiply-accumulate operations of the traced forward; see <see cref="Cost.Macs"/>.</summary>
    Macs,

    /// <summary>Bytes of the model's tensors as they are stored: every entry of the state dict, buffers included, at its own element size.</summary>
    Bytes,

    /// <summary>
    /// Time of the traced forward on this machine, in microseconds, as a <see cref="FilterPruning.Latency.LatencyModel"/> predicts it; needs <see cref="PruningOptions.Latency"/>.
    /// </summary>
    Latency,
}
