using FilterPruning.Schedules;

namespace FilterPruning.Cli.Study;

/// <summary>Which points a study has, and in which order they are measured. Nothing but the options decides either.</summary>
internal sealed record StudyGrid
{
    /// <summary>The only criterion that seeds matter to.</summary>
    public const string Random = "random";

    /// <summary>The study's shares of filters to remove: 0, 0.1 … 0.9.</summary>
    public static IReadOnlyList<double> AllRatios { get; } = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

    public required string Dataset { get; init; }

    public required string Model { get; init; }

    public required string Checkpoint { get; init; }

    public required int EvalImages { get; init; }

    public required int EvalSize { get; init; }

    /// <summary>The criteria, most informative first.</summary>
    public IReadOnlyList<string> Criteria { get; init; } = ["l1", Random, "l2"];

    /// <summary>Seeds of <see cref="Random"/>.</summary>
    public IReadOnlyList<int> Seeds { get; init; } = [0, 1, 2];

    /// <summary>The scopes, most informative first.</summary>
    public IReadOnlyList<string> Scopes { get; init; } = StudyScopes.Default;

    /// <summary>Whose filters are counted.</summary>
    public IReadOnlyList<string> Layers { get; init; } = [LayerScopes.All];

    /// <summary>Shares to remove. 0 is the unpruned model, once.</summary>
    public IReadOnlyList<double> Ratios { get; init; } = AllRatios;

    /// <summary>What is to remain.</summary>
    public IReadOnlyList<string> Targets { get; init; } = [];

    public IReadOnlyList<string> Repairs { get; init; } = [StudyRepairs.None, StudyRepairs.LeastSquares];

    /// <summary>Fine-tunings, as shares of the original training, that every cut gets besides going without.</summary>
    public IReadOnlyList<double> Budgets { get; init; } = [];

    /// <summary>Photos for each repair.</summary>
    public int Images { get; init; } = 64;

    /// <summary>
    /// The unpruned model first, if there is a ratio 0: it is ratio 0 of every criterion, scope and repair. Then series by series (layers, criterion and seed, scope), those that come
    /// early in both lists first; within a series by amount, and the repaired and the fine-tuned points right after the raw one, which has the same plan.
    /// </summary>
    public IReadOnlyList<StudyKey> Points()
    {
        var dense = Key(StudyKey.Anything, 0, StudyKey.Anything, LayerScopes.All, 0, null, StudyRepairs.None);
        var points = Ratios.Contains(0) ? new List<StudyKey> { dense } : [];
        foreach (var layers in Layers)
        {
            var series = Variants().SelectMany((variant, first) => Scopes.Select((scope, second) => (variant.Criterion, variant.Seed, Scope: scope, Rank: first + second, first)));
            foreach (var (criterion, seed, scope, _, _) in series.OrderBy(entry => entry.Rank).ThenBy(entry => entry.first))
            {
                foreach (var (ratio, target) in Amounts())
                {
                    points.AddRange(Repairs.Select(repair => Key(criterion, seed, scope, layers, ratio, target, repair)));
                    foreach (var budget in Budgets)
                        points.AddRange(Repairs.Select(repair => Key(criterion, seed, scope, layers, ratio, target, repair) with { FineTuned = true, Budget = budget }));
                }
            }
        }

        return [.. points.Distinct()];
    }

    /// <summary>The points with their shards: plans are dealt out in turn, so that a raw point stays with its repaired and its fine-tuned sister.</summary>
    /// <param name="count">How many shards there are.</param>
    public IReadOnlyList<(StudyKey Key, Shard Shard)> Shared(int count)
    {
        var points = Points();
        var places = points.Select(key => key.PlanText).Distinct().Select((plan, place) => (plan, place)).ToDictionary(StringComparer.Ordinal);
        return [.. points.Select(key => (key, new Shard((places[key.PlanText] % count) + 1, count)))];
    }

    // The first seed of a random criterion stands where the criterion does, the others after everything else.
    private IEnumerable<(string Criterion, int Seed)> Variants() =>
    [
        .. Criteria.Select(criterion => (criterion, criterion == Random ? Seeds[0] : 0)),
        .. Criteria.Contains(Random) ? Seeds.Skip(1).Select(seed => (Random, seed)) : [],
    ];

    private IEnumerable<(double? Ratio, string? Target)> Amounts() =>
        [.. Ratios.Where(ratio => ratio > 0).Order().Select(ratio => ((double?)ratio, (string?)null)), .. Targets.Select(target => ((double?)null, (string?)target))];

    private StudyKey Key(string criterion, int seed, string scope, string layers, double? ratio, string? target, string repair) => new(
        Dataset, Model, Checkpoint, criterion, scope, layers, ratio, target, repair, StudyRepairs.NeedsPhotos(repair) ? Images : 0, FineTuned: false, seed, EvalImages, EvalSize);
}
