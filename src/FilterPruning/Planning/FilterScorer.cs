using FilterPruning.Criteria;
using FilterPruning.Graph;
using MathNet.Numerics.Statistics;

namespace FilterPruning.Planning;

/// <summary>Scores of channel groups from the scores of their filters.</summary>
internal static class FilterScorer
{
    /// <summary>The score of every group of the graph by its index; null for groups without a filter.</summary>
    public static double?[] ScoreGroups(DependencyGraph graph, PruningOptions options)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var parts = new List<double>?[graph.Groups.Count];
        foreach (var layer in graph.Layers)
        {
            if (layer.Rule.Filters(layer.Module) is not { OutputAxis: { } axis } filters)
                continue;
            var bank = new FilterBank(layer.Name, layer.Module, filters.Tensor, axis, filters.Axes.First(known => known.Axis == axis).Count ?? layer.OutputChannels);
            var scores = Normalize(Check(options.Criterion, bank), options.Normalization);
            for (var channel = 0; channel < scores.Length; channel++)
                (parts[layer.OutputGroups[channel]] ??= []).Add(scores[channel]);
        }

        return [.. parts.Select(scores => scores is null ? (double?)null : Reduce(scores, options.Reduction))];
    }

    /// <summary>Runs a criterion and refuses whatever breaks its contract.</summary>
    private static double[] Check(IPruningCriterion criterion, FilterBank bank)
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

    /// <summary>Makes the scores of one layer comparable with those of others. Scores that are all alike carry no order and stay alike.</summary>
    private static double[] Normalize(double[] scores, ScoreNormalization normalization)
    {
        if (scores.Length == 0)
            return scores;
        var mean = scores.Average();
        var (shift, scale) = normalization switch
        {
            ScoreNormalization.Mean => (0, Math.Abs(mean)),
            ScoreNormalization.Max => (0, scores.Max(Math.Abs)),
            ScoreNormalization.Standardized => (mean, ArrayStatistics.PopulationStandardDeviation(scores)),
            _ => (0.0, 1.0),
        };
        return [.. scores.Select(score => scale == 0 ? 0 : (score - shift) / scale)];
    }

    private static double Reduce(List<double> scores, GroupReduction reduction) => reduction switch
    {
        GroupReduction.Sum => scores.Sum(),
        GroupReduction.Max => scores.Max(),
        GroupReduction.First => scores[0],
        _ => scores.Average(),
    };
}
