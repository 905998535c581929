using FilterPruning.Detection.Pipeline;

namespace FilterPruning.Detection.Tests.PipelineTests;

public class BatchWindowTests
{
    [Theory]
    [InlineData(1, 0)]
    [InlineData(1, 5)]
    [InlineData(3, 0)]
    [InlineData(3, 7)]
    [InlineData(4, 100)]
    public void Every_image_goes_once_among_its_like_and_in_time(int batchSize, int ahead)
    {
        var random = new Random(batchSize * 100 + ahead);
        var window = new BatchWindow<int>(batchSize, ahead);
        var sizes = Enumerable.Range(0, 60).Select(_ => (32 * random.Next(1, 4), 64)).ToArray();
        var sent = new List<int>();
        for (var i = 0; i < sizes.Length; i++)
        {
            // Every seventh image is one that failed.
            foreach (var batch in i % 7 == 6 ? window.Advance(i) : window.Add(i, sizes[i], i))
                Check(batch);
            Assert.All(Enumerable.Range(0, Math.Max(0, i - ahead + 1)).Where(index => index % 7 != 6), index => Assert.Contains(index, sent));
        }

        foreach (var batch in window.Finish())
            Check(batch);
        Assert.Equal(Enumerable.Range(0, 60).Where(i => i % 7 != 6), sent.Order());

        void Check(IReadOnlyList<int> batch)
        {
            Assert.InRange(batch.Count, 1, batchSize);
            Assert.Single(batch.Select(i => sizes[i]).Distinct());
            Assert.Equal(batch.Order(), batch);
            sent.AddRange(batch);
        }
    }

    [Fact]
    public void Like_images_fill_batches()
    {
        var window = new BatchWindow<int>(3, 10);
        var batches = Enumerable.Range(0, 9).SelectMany(i => window.Add(i, (32, i % 3 == 1 ? 64 : 32), i)).ToList();
        Assert.Equal([[0, 2, 3], [1, 4, 7], [5, 6, 8]], batches);
        Assert.Empty(window.Finish());
    }
}
