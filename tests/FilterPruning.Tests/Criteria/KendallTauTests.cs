using FilterPruning.Criteria;

namespace FilterPruning.Tests.Criteria;

public class KendallTauTests
{
    [Theory]
    [InlineData(2, 3)]
    [InlineData(3, 2)]
    [InlineData(10, 4)]
    [InlineData(33, 6)]
    [InlineData(100, 10)]
    [InlineData(100, 1_000_000)]
    [InlineData(257, 2)]
    public void Equals_the_count_of_all_pairs(int count, int values)
    {
        var random = new Random((count * 31) + values);
        for (var trial = 0; trial < 20; trial++)
        {
            double[] x = [.. Enumerable.Range(0, count).Select(_ => (double)random.Next(values))];
            double[] y = [.. x.Select(value => random.Next(3) == 0 ? value : random.Next(values) / 2.0)];
            Assert.Equal(Naive(x, y), KendallTau.B(x, y), 1e-12);
        }
    }

    [Fact]
    public void Known_cases()
    {
        Assert.Equal(1, KendallTau.B([1, 2, 3, 4], [10, 20, 30, 40]));
        Assert.Equal(-1, KendallTau.B([1, 2, 3, 4], [4, 3, 2, 1]));
        Assert.Equal(4 / 6.0, KendallTau.B([1, 2, 3, 4], [1, 3, 2, 4]), 1e-15);
        Assert.Equal(1, KendallTau.B([1, 1, 2], [5, 5, 9]));
        Assert.True(double.IsNaN(KendallTau.B([1, 1, 1], [1, 2, 3])));
        Assert.True(double.IsNaN(KendallTau.B([1, 2, 3], [7, 7, 7])));
    }

    [Fact]
    public void A_hundred_thousand_scores_do_not_overflow()
    {
        const int Count = 100_000;
        double[] x = [.. Enumerable.Range(0, Count).Select(i => (double)i)];
        // Every score but the last two in order: one discordant pair.
        double[] y = [.. x.Select(value => value == Count - 1 ? Count - 2.0 : value == Count - 2 ? Count - 1.0 : value)];
        var pairs = Count * (Count - 1.0) / 2;
        Assert.Equal((pairs - 2) / pairs, KendallTau.B(x, y), 1e-15);
    }

    private static double Naive(double[] x, double[] y)
    {
        var (same, tiedX, tiedY) = (0, 0, 0);
        for (var i = 0; i < x.Length; i++)
        {
            for (var j = 0; j < i; j++)
            {
                same += Math.Sign(x[i] - x[j]) * Math.Sign(y[i] - y[j]);
                tiedX += x[i] == x[j] ? 1 : 0;
                tiedY += y[i] == y[j] ? 1 : 0;
            }
        }

        var pairs = x.Length * (x.Length - 1) / 2;
        return same / Math.Sqrt((double)(pairs - tiedX) * (pairs - tiedY));
    }
}
