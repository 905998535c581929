using System.Globalization;
using FilterPruning.Planning;

namespace FilterPruning.Zoo;

/// <summary>How a model of the zoo is pruned.</summary>
/// <param name="Scope">Each role its share, or all groups ranked together.</param>
/// <param name="Ratio">The share of the channel groups to remove.</param>
public sealed record ZooConfiguration(PruningScope Scope, double Ratio)
{
    /// <summary>Local and global, each at three ratios.</summary>
    public static IReadOnlyList<ZooConfiguration> All { get; } =
        [.. from scope in new[] { PruningScope.Local, PruningScope.Global } from ratio in new[] { 0.25, 0.5, 0.75 } select new ZooConfiguration(scope, ratio)];

    /// <summary>The configuration that tables show.</summary>
    public bool IsShown => this is { Scope: PruningScope.Local, Ratio: 0.5 };

    /// <summary>Whether the optimizer that trains after the cut has trained before it already, so that its momenta must shrink with the weights.</summary>
    public bool TrainsBefore => this == All[^1];

    /// <summary>The planner's options. Scores of different layers are made comparable where they are ranked together.</summary>
    public PruningOptions Options => new()
    {
        Ratio = Ratio,
        Scope = Scope,
        Normalization = Scope == PruningScope.Global ? ScoreNormalization.Mean : ScoreNormalization.None,
    };

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Scope} {Ratio}");
}
