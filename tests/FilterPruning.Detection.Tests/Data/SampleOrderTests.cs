using FilterPruning.Detection.Data;

namespace FilterPruning.Detection.Tests.Data;

public class SampleOrderTests
{
    [Fact]
    public void Each_epoch_is_a_permutation_of_its_own()
    {
        var order = new SampleOrder(50, seed: 3);
        for (var epoch = 0; epoch < 5; epoch++)
            Assert.Equal(Enumerable.Range(0, 50), order.Epoch(epoch).Order());
        Assert.NotEqual(order.Epoch(0), order.Epoch(1));
        Assert.NotEqual(order.Epoch(0), new SampleOrder(50, seed: 4).Epoch(0));
    }

    [Fact]
    public void It_stays_what_it_is()
    {
        // Golden: interrupted runs of older versions must go on alike.
        Assert.Equal("5 0 2 3 8 4 6 7 9 1", string.Join(" ", new SampleOrder(10, seed: 1).Epoch(0)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    [InlineData(7)]
    [InlineData(13)]
    [InlineData(700_000)]
    public void It_goes_on_at_any_position(long position)
    {
        var order = new SampleOrder(7, seed: 3);
        var expected = Enumerable.Range(0, 20).Select(i => order.Epoch((int)((position + i) / 7))[(position + i) % 7]);
        Assert.Equal(expected, order.From(position).Take(20));
    }

    [Fact]
    public void Bad_arguments_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new SampleOrder(0, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SampleOrder(3, 1).From(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SampleOrder(3, 1).Epoch(-1));
    }

}
