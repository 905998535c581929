using FilterPruning.Planning;

namespace FilterPruning.Cli.Study;

/// <summary>How the filters of a reading are ranked.</summary>
internal enum ReadingRanking
{
    /// <summary>Every layer loses the same share.</summary>
    Local,

    /// <summary>All filters of the scope in one list, by their raw L1 norms.</summary>
    GlobalRaw,

    /// <summary>All filters of the scope in one list, by their L1 norms over their layer's mean.</summary>
    GlobalMean,
}

/// <summary>A way to read "a share of the filters, ranked by L1": which layers count, how they compete, and what each keeps at least.</summary>
/// <param name="Scope">A name of <see cref="LayerScopes"/>.</param>
/// <param name="Ranking">How the filters are ranked.</param>
/// <param name="Floor">The share of its filters that every layer keeps at least; 0 leaves one.</param>
internal sealed record Reading(string Scope, ReadingRanking Ranking, double Floor)
{
    /// <summary>The ranking in words.</summary>
    public string RankingName => Ranking switch
    {
        ReadingRanking.Local => "local",
        ReadingRanking.GlobalRaw => "global, raw",
        _ => "global, over layer mean",
    };

    /// <summary>The reading as options of a plan.</summary>
    /// <param name="ratio">The share of the scope's channel groups to remove.</param>
    public PruningOptions ToOptions(double ratio) => new()
    {
        Ratio = ratio,
        Scope = Ranking == ReadingRanking.Local ? PruningScope.Local : PruningScope.Global,
        Normalization = Ranking == ReadingRanking.GlobalMean ? ScoreNormalization.Mean : ScoreNormalization.None,
        MaximumLayerRatio = Floor > 0 ? 1 - Floor : 1,
    };
}

/// <summary>What a reading removes.</summary>
internal sealed record ReadingCount
{
    /// <summary>The reading.</summary>
    public required Reading Reading { get; init; }

    /// <summary>The plan that does it.</summary>
    public required PruningPlan Plan { get; init; }

    /// <summary>Filters in the scope.</summary>
    public required long Filters { get; init; }

    /// <summary>Filters of the scope that go.</summary>
    public required long Removed { get; init; }

    /// <summary>Filters of the whole model, those that cannot go included.</summary>
    public required long AllFilters { get; init; }

    /// <summary>Parameters before / after the cut.</summary>
    public required double Compression { get; init; }

    /// <summary>Parameters before / after, were only the filters' own weights taken out and what reads their channels left alone: what counting zeros gives.</summary>
    public required double CompressionOfFiltersAlone { get; init; }

    /// <summary>The share of the multiply-accumulates that remains.</summary>
    public required double Macs { get; init; }

    /// <summary>The share of the scope's filters that gives the wanted compression under the same ranking and floor; null where none does.</summary>
    public double? ShareForTarget { get; init; }

    /// <summary>The layers of the scope that lose most: their names, widths before and after.</summary>
    public required IReadOnlyList<(string Layer, int Before, int After)> Emptied { get; init; }
}
