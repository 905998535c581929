namespace FilterPruning.Tracing;

/// <summary>Everything random in the trials of one trace.</summary>
/// <param name="Generator">Draws tensors.</param>
/// <param name="Weights">Positive weights of cotangents.</param>
/// <param name="Codes">Deals the channels' codes.</param>
internal sealed record Chance(Generator Generator, NumberPool Weights, Random Codes);
