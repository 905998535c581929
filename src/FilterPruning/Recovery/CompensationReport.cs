namespace FilterPruning.Recovery;

/// <summary>What a compensation did to one layer.</summary>
/// <param name="Layer">The consumer's path.</param>
/// <param name="RemovedChannels">Input channels it loses.</param>
/// <param name="ErrorBefore">Energy of what the removed inputs add to the layer's output in the dense model, as a share of the output's energy.</param>
/// <param name="ErrorAfter">The same without its mean.</param>
/// <param name="IsCompensated">Whether there was somewhere to put a constant: the layer has a bias, or a norm follows it directly. False too where no input reached the layer.</param>
public sealed record LayerCompensation(string Layer, int RemovedChannels, double ErrorBefore, double ErrorAfter, bool IsCompensated);

/// <summary>What a compensation did.</summary>
/// <param name="Layers">One entry for each layer that loses inputs, in data order.</param>
/// <param name="Inputs">The number of inputs.</param>
public sealed record CompensationReport(IReadOnlyList<LayerCompensation> Layers, int Inputs);
