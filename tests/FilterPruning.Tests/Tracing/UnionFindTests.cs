using FilterPruning.Tracing;

namespace FilterPruning.Tests.Tracing;

public class UnionFindTests
{
    [Fact]
    public void Components_equal_those_of_a_naive_relabelling()
    {
        var random = new Random(11);
        for (var round = 0; round < 50; round++)
        {
            const int count = 40;
            var union = new UnionFind(count);
            var naive = Enumerable.Range(0, count).ToArray();
            for (var i = random.Next(60); i > 0; i--)
            {
                var (a, b) = (random.Next(count), random.Next(count));
                union.Union(a, b);
                var (keep, drop) = (Math.Min(naive[a], naive[b]), Math.Max(naive[a], naive[b]));
                naive = naive.Select(label => label == drop ? keep : label).ToArray();
            }
            Assert.Equal(naive, Enumerable.Range(0, count).Select(union.Find));
        }
    }
}
