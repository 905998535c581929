namespace FilterPruning.Planning;

/// <summary>The settings a plan was made with.</summary>
/// <param name="Ratio">Share of the channel groups to remove.</param>
/// <param name="Scope">Among which groups the ratio was shared out.</param>
/// <param name="Criterion">The criterion's name.</param>
/// <param name="Normalization">How scores of different layers were made comparable.</param>
/// <param name="Reduction">How the scores of a group's filters became one score.</param>
/// <param name="ChannelMultiple">What widths were rounded to.</param>
/// <param name="MinimumWidth">The fewest output channels a layer was to be left with.</param>
/// <param name="Ignore">Patterns of layers whose output channels stay.</param>
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
    int? Seed);
