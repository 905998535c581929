using FilterPruning.Criteria;

namespace FilterPruning.Tests.Criteria;

/// <summary>Filter banks and scores for tests.</summary>
internal static class Bank
{
    public static FilterBank Of(Tensor weight, int axis = 0, int? count = null, string name = "layer") => new(name, nn.Identity(), weight, axis, count ?? (int)weight.shape[axis]);

    /// <summary>A bank whose filters are the given rows.</summary>
    public static FilterBank Rows(params double[][] rows) => Of(stack(rows.Select(row => tensor(row, dtype: float64))));

    public static double[] Scores(IPruningCriterion criterion, FilterBank bank)
    {
        using var scores = criterion.Score(bank);
        Assert.Equal((ScalarType.Float32, DeviceType.CPU, 1L, (long)bank.Count), (scores.dtype, scores.device_type, scores.dim(), scores.shape[0]));
        return [.. scores.data<float>().Select(score => (double)score)];
    }

    /// <summary>Prepares a criterion for a graph and gives its scores of one layer.</summary>
    public static double[] Scores(IPruningCriterion criterion, FilterPruning.Graph.DependencyGraph graph, string layer)
    {
        CriterionPreparation.Prepare(criterion, graph);
        return Scores(criterion, FilterPruning.Planning.FilterScorer.Banks(graph).Single(entry => entry.Layer.Name == layer).Bank);
    }

    public static void Close(IReadOnlyList<double> expected, IReadOnlyList<double> actual, double relative = 1e-6)
    {
        Assert.Equal(expected.Count, actual.Count);
        for (var i = 0; i < expected.Count; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= relative * Math.Max(Math.Abs(expected[i]), 1e-12), $"[{i}]: expected {expected[i]}, got {actual[i]}");
    }
}
