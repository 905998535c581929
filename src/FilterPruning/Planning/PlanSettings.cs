using System.Text.Json.Serialization;
using FilterPruning.Criteria;

namespace FilterPruning.Planning;

/// <summary>The settings a plan was made with.</summary>
/// <param name="Ratio">Share of the channel groups to remove.</param>
/// <param name="Scope">Among which groups the ratio was shared out.</param>
/// <param name="Criterion">The criterion's name.</param>
/// <param name="Normalization">How scores of different layers were made comparable.</param>
/// <param name="Reduction">How the scores of a group's filters became one score.</param>
/// <param name="ChannelMultiple">What widths were rounded to.</param>
/// <param name="MinimumWidth">The fewest output channels a layer was to be left with.</param>
/// <param name="Ignore">Patterns of layers that stay, with <c>:outputs</c> or <c>:inputs</c> for one side.</param>
/// <param name="Seed">The seed of a random criterion, otherwise null.</param>
public sealed record PlanSettings(
    double Ratio,
    PruningScope Scope,
    string Criterion,
    ScoreNormalization Normalization,
    GroupReduction Reduction,
    int ChannelMultiple,
    int MinimumWidth,
    IReadOnlyList<string> Ignore,
    int? Seed)
{
    /// <summary>What was to remain; null when a ratio was given.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PruningTarget? Target { get; init; }

    /// <summary>Ratios of single layers, the last that matches winning; null when there were none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<LayerRatio>? LayerRatios { get; init; }

    /// <summary>The largest share of its channels that a layer was to lose; null for no limit.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? MaximumLayerRatio { get; init; }

    /// <summary>Whether frozen layers kept their channels.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool KeepFrozen { get; init; }

    /// <summary>The part of some options that a plan records.</summary>
    internal static PlanSettings Of(PruningOptions options) => new(
        options.Ratio, options.Scope, options.Criterion.Name, options.Normalization, options.Reduction, options.ChannelMultiple, options.MinimumWidth,
        [.. options.Ignore], (options.Criterion as RandomCriterion)?.Seed)
    {
        Target = options.Target,
        LayerRatios = options.LayerRatios.Count == 0 ? null : [.. options.LayerRatios],
        MaximumLayerRatio = options.MaximumLayerRatio < 1 ? options.MaximumLayerRatio : null,
        KeepFrozen = options.KeepFrozen,
    };
}
