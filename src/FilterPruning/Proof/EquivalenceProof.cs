namespace FilterPruning.Proof;

/// <summary>How closely a pruned model follows its masked self: the model whose layers read nothing from the removed channels.</summary>
/// <param name="Error">The largest difference, relative to the largest absolute value of the same output.</param>
/// <param name="Tolerance">The largest allowed difference for float32.</param>
/// <param name="WorstLayer">The layer with the largest difference; null when the returned values differ most, or nothing differs.</param>
/// <param name="ResultError">The largest relative difference of the tensors that the forward returned.</param>
/// <param name="Layers">The traced layers in data order.</param>
/// <param name="NotExercised">
/// Layers that were cut but never called with data, not even with made-up values; they were compared alone, on random input.
/// </param>
public sealed record EquivalenceProof(
    double Error, double Tolerance, string? WorstLayer, double ResultError, IReadOnlyList<LayerProof> Layers, IReadOnlyList<string> NotExercised);

/// <summary>The proof for one layer.</summary>
/// <param name="Layer">The layer's path in the model.</param>
/// <param name="Calls">Calls that were compared and held data.</param>
/// <param name="Error">The largest relative difference over these calls.</param>
public sealed record LayerProof(string Layer, int Calls, double Error);
