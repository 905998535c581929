namespace FilterPruning;

/// <summary>What a model costs: its size and the work of one forward.</summary>
/// <param name="Parameters">Numbers in trainable and frozen weights and biases alike; running statistics are not counted.</param>
/// <param name="Macs">Multiply-accumulate operations of the traced layers in one forward at the example's size.</param>
public readonly record struct Cost(long Parameters, long Macs);
