namespace FilterPruning.Planning;

/// <summary>A ratio for some layers.</summary>
/// <param name="Pattern">The layers: a layer's name or that of a module around it, with <c>*</c> for any run of characters, dots included, and <c>?</c> for one.</param>
/// <param name="Ratio">Share of their channel groups to remove: at least 0 and below 1.</param>
public sealed record LayerRatio(string Pattern, double Ratio);
