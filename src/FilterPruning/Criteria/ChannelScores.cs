using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Criteria;

/// <summary>The scores a prepared criterion has measured, by layer; refuses layers it has not seen.</summary>
internal sealed class ChannelScores(string criterion)
{
    private Dictionary<string, (nn.Module Module, float[] Scores)>? _layers;

    /// <summary>Forgets everything.</summary>
    public void Clear() => _layers = null;

    /// <summary>Takes the score of every filter of a graph.</summary>
    public void Set(DependencyGraph graph, Func<TracedLayer, FilterBank, IReadOnlyList<double>> score) =>
        _layers = FilterScorer.Banks(graph).ToDictionary(
            entry => entry.Layer.Name, entry => (entry.Bank.Module, score(entry.Layer, entry.Bank).Select(value => (float)value).ToArray()), StringComparer.Ordinal);

    /// <summary>float32 [filters] on the CPU; the caller's.</summary>
    /// <exception cref="PruningException">The criterion is not prepared, or was prepared for another model.</exception>
    public Tensor Of(FilterBank filters)
    {
        ArgumentNullException.ThrowIfNull(filters);
        if (_layers is null)
        {
            throw new PruningException(
                $"The criterion '{criterion}' is not prepared. Give it to {nameof(PruningPlanner)}.{nameof(PruningPlanner.CreatePlan)}, or call {nameof(CriterionPreparation)}.{nameof(CriterionPreparation.Prepare)} first.");
        }

        if (!_layers.TryGetValue(filters.LayerName, out var known) || !ReferenceEquals(known.Module, filters.Module) || known.Scores.Length != filters.Count)
        {
            throw new PruningException(
                $"The criterion '{criterion}' was prepared for another model, or for this one at other widths: it has no scores for the {filters.Count} filters of layer '{filters.LayerName}'. "
                + $"Prepare it for the graph that is scored ({nameof(CriterionPreparation)}.{nameof(CriterionPreparation.Prepare)}).");
        }

        return tensor(known.Scores, dtype: float32, device: CPU);
    }
}
