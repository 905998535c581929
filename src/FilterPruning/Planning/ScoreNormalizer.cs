using MathNet.Numerics.Statistics;

namespace FilterPruning.Planning;

/// <summary>Makes the scores of one layer comparable with those of others.</summary>
internal static class ScoreNormalizer
{
    /// <summary>The scores in their new form, in the same order. Scores that are all alike carry no order and stay alike.</summary>
    /// <exception cref="PruningException">The normalisation is not defined for such scores.</exception>
    public static double[] Apply(double[] scores, ScoreNormalization normalization, string layerName)
    {
        if (scores.Length == 0)
            return scores;
        if (normalization == ScoreNormalization.Lamp)
        {
            return scores.Any(score => score < 0)
                ? throw new PruningException(
                    $"The normalisation {nameof(ScoreNormalization.Lamp)} needs scores of 0 or more; layer '{layerName}' has {scores.Min()}. Choose another normalisation, or a criterion without negative scores.")
                : Lamp(scores);
        }

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

    /// <summary>Each score over the sum of those that are not smaller, itself included; equal scores get equal results, and zeros stay zero.</summary>
    /// <param name="scores">Not negative.</param>
    public static double[] Lamp(double[] scores)
    {
        var order = Enumerable.Range(0, scores.Length).OrderByDescending(i => scores[i]).ToArray();
        var result = new double[scores.Length];
        var sum = 0.0;
        for (int first = 0, next; first < order.Length; first = next)
        {
            var score = scores[order[first]];
            for (next = first; next < order.Length && scores[order[next]] == score; next++)
                sum += score;
            for (var i = first; i < next; i++)
                result[order[i]] = sum == 0 ? 0 : score / sum;
        }

        return result;
    }
}
