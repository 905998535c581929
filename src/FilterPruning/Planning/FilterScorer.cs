using FilterPruning.Criteria;
using FilterPruning.Graph;

namespace FilterPruning.Planning;

/// <summary>Scores of channel groups from the scores of their filters.</summary>
internal static class FilterScorer
{
    /// <summary>Prepares the criterion where it needs that, and gives the score of every group of the graph by its index; null for groups without a filter.</summary>
    public static double?[] ScoreGroups(DependencyGraph graph, PruningOptions options, CancellationToken cancellationToken = default)
    {
        CriterionPreparation.Prepare(options.Criterion, graph, cancellationToken);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var parts = new List<double>?[graph.Groups.Count];
        foreach (var (layer, bank) in Banks(graph))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var scores = ScoreNormalizer.Apply(Check(options.Criterion, bank), options.Normalization, layer.Name);
            for (var channel = 0; channel < scores.Length; channel++)
                (parts[layer.OutputGroups[channel]] ??= []).Add(scores[channel]);
        }

        return [.. parts.Select(scores => scores is null ? (double?)null : Reduce(scores, options.Reduction))];
    }

    /// <summary>The filters of every layer that has any, in data order. The weights stay the layers'.</summary>
    public static IEnumerable<(TracedLayer Layer, FilterBank Bank)> Banks(DependencyGraph graph)
    {
        foreach (var layer in graph.Layers)
        {
            if (layer.Rule.Filters(layer.Module) is { OutputAxis: { } axis } filters)
                yield return (layer, new FilterBank(layer.Name, layer.Module, filters.Tensor, axis, filters.Axes.First(known => known.Axis == axis).Count ?? layer.OutputChannels));
        }
    }

    /// <summary>Runs a criterion and refuses whatever breaks its contract.</summary>
    public static double[] Check(IPruningCriterion criterion, FilterBank bank)
    {
        using var scores = criterion.Score(bank)
            ?? throw new PruningException($"The criterion '{criterion.Name}' gave no scores for layer '{bank.LayerName}'. Correct the criterion.");
        if (scores.dtype != ScalarType.Float32 || scores.device_type != DeviceType.CPU || scores.dim() != 1 || scores.shape[0] != bank.Count)
        {
            throw new PruningException(
                $"The criterion '{criterion.Name}' gave {scores.dtype} [{string.Join(", ", scores.shape)}] on {scores.device_type} for layer '{bank.LayerName}'; "
                + $"allowed is Float32 [{bank.Count}] on CPU. Correct the criterion.");
        }

        var values = scores.data<float>().Select(score => (double)score).ToArray();
        var bad = Array.FindIndex(values, score => !double.IsFinite(score));
        if (bad >= 0)
        {
            throw new PruningException(
                $"The criterion '{criterion.Name}' scored filter {bad} of layer '{bank.LayerName}' as {values[bad]}; a score must be finite. "
                + "Look for NaN or infinite weights in that layer, or correct the criterion.");
        }

        return values;
    }

    private static double Reduce(List<double> scores, GroupReduction reduction) => reduction switch
    {
        GroupReduction.Sum => scores.Sum(),
        GroupReduction.Max => scores.Max(),
        GroupReduction.First => scores[0],
        GroupReduction.Product => GeometricMean(scores),
        _ => scores.Average(),
    };

    private static double GeometricMean(List<double> scores)
    {
        var least = scores.Min();
        if (least < 0)
        {
            throw new PruningException(
                $"The reduction {nameof(GroupReduction.Product)} needs scores of 0 or more; a filter has {least}. Choose another reduction, another normalisation, or a criterion without negative scores.");
        }

        return Math.Exp(scores.Average(Math.Log));  // log 0 = −∞, and its exponential is 0 again
    }
}
