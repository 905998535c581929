using FilterPruning.Criteria;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Study;

/// <summary>Counts what each reading of "40 % of the filters" removes from a traced detector. Plans only; the model stays as it is.</summary>
/// <param name="model">The detector.</param>
/// <param name="graph">Its graph.</param>
/// <param name="ratio">The share of the filters that goes.</param>
/// <param name="target">The compression that readings are compared with; above 1.</param>
internal sealed class ReadingCounter(MaskRcnnModel model, DependencyGraph graph, double ratio, double target)
{
    private readonly Dictionary<string, long> _weights = model.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter.numel(), StringComparer.Ordinal);

    // Norms do not change between plans; ranking them anew does not need to read 44 million weights each time.
    private readonly KeptScores _criterion = new(new L1Criterion());

    /// <summary>The scopes that are counted where the model has them: single parts, then sums of parts.</summary>
    public static IReadOnlyList<string> Scopes { get; } =
        [.. LayerScopes.Names, "inner+stem", "inner+fpn", "inner+heads", "inner+fpn+heads", "backbone+fpn", "backbone+heads", "stage3+stage4", "stage2+stage3+stage4", "fpn+heads"];

    /// <summary>Those of <see cref="Scopes"/> that the model has.</summary>
    public IReadOnlyList<string> ScopesOfModel() => [.. Scopes.Where(scope => LayerScopes.Has(graph, scope))];

    /// <summary>What one reading removes.</summary>
    /// <param name="reading">The reading.</param>
    /// <param name="search">Whether to look for the share that gives the target, which takes some more plans.</param>
    public ReadingCount Count(Reading reading, bool search = false)
    {
        var options = LayerScopes.Restrict(reading.ToOptions(ratio) with { Criterion = _criterion }, reading.Scope, graph);
        var counted = LayerScopes.LayersOf(graph, reading.Scope).Select(layer => layer.Name).ToHashSet(StringComparer.Ordinal);
        var plan = PruningPlanner.CreatePlan(graph, options);
        var inScope = plan.Layers.Where(layer => counted.Contains(layer.Name)).ToList();
        var filters = inScope.Sum(layer => (long)layer.OutputChannels);
        return new ReadingCount
        {
            Reading = reading,
            Plan = plan,
            Filters = filters,
            Removed = inScope.Sum(layer => (long)layer.RemovedOutputs.Count),
            AllFilters = graph.Layers.Where(LayerScopes.HasFilters).Sum(layer => (long)layer.OutputChannels),
            Compression = (double)plan.Before.Parameters / plan.Predicted.Parameters,
            CompressionOfFiltersAlone = plan.Before.Parameters / (plan.Before.Parameters - inScope.Sum(OwnWeights)),
            Macs = (double)plan.Predicted.Macs / plan.Before.Macs,
            ShareForTarget = search ? ShareFor(options, counted, filters) : null,
            Emptied = [.. inScope.Where(layer => layer.RemovedOutputs.Count > 0).OrderBy(layer => (double)layer.KeptOutputs / layer.OutputChannels).ThenBy(layer => layer.Name, StringComparer.Ordinal)
                .Select(layer => (layer.Name, layer.OutputChannels, layer.KeptOutputs))],
        };
    }

    /// <summary>The weights and biases of a layer's filters that go, without what its consumers would lose.</summary>
    private double OwnWeights(LayerPlan layer) =>
        (double)(_weights.GetValueOrDefault(layer.Name + ".weight") + _weights.GetValueOrDefault(layer.Name + ".bias")) * layer.RemovedOutputs.Count / layer.OutputChannels;

    private double? ShareFor(PruningOptions options, HashSet<string> counted, long filters)
    {
        try
        {
            var plan = PruningPlanner.CreatePlan(graph, options with { Ratio = 0, Target = PruningTarget.KeepParametersShare(1 / target) });
            return plan.Layers.Where(layer => counted.Contains(layer.Name)).Sum(layer => (double)layer.RemovedOutputs.Count) / filters;
        }
        catch (ArgumentException)
        {
            // Out of reach: the scope holds too few weights.
            return null;
        }
    }

    /// <summary>Asks a criterion once per layer.</summary>
    private sealed class KeptScores(IPruningCriterion criterion) : IPruningCriterion
    {
        private readonly Dictionary<string, float[]> _scores = new(StringComparer.Ordinal);

        public string Name => criterion.Name;

        public Tensor Score(FilterBank filters)
        {
            if (!_scores.TryGetValue(filters.LayerName, out var scores))
            {
                using var first = criterion.Score(filters);
                _scores[filters.LayerName] = scores = first.data<float>().ToArray();
            }

            return tensor(scores);
        }
    }
}
