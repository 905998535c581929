using FilterPruning.Tracing;

namespace FilterPruning.Tests.Tracing;

public class ChannelCodeTests
{
    [Theory]
    [InlineData(2, 1)]
    [InlineData(256, 1)]
    [InlineData(257, 2)]
    [InlineData(12544, 2)]
    [InlineData(65537, 3)]
    public void Every_single_label_is_read_whatever_the_derivative(int labels, int digits)
    {
        using var scope = NewDisposeScope();
        var code = new ChannelCode(Enumerable.Range(0, labels).ToArray(), labels, new Random(1));
        Assert.Equal(digits, code.Digits);
        // Sums of a thousand rounded terms of one label: the worst that a broadcast over a map does.
        var derivative = randn([labels, 1000], generator: new Generator(5)) + 1;
        var plain = derivative.sum(1);
        var factors = code.Factors();
        var coded = factors.Select(row => (derivative * tensor(row).unsqueeze(1)).sum(1)).ToList();
        var (label, single) = code.Decode(plain, coded);
        Assert.True(single.all().item<bool>());
        Assert.True(label.equal(arange(labels, dtype: int64)).all().item<bool>());
    }

    [Theory]
    [InlineData(16, 0.05)]
    [InlineData(256, 0.05)]
    [InlineData(12544, 0.05)]
    public void A_mixture_of_two_labels_is_never_taken_for_one(int labels, double share)
    {
        using var scope = NewDisposeScope();
        var code = new ChannelCode(Enumerable.Range(0, labels).ToArray(), labels, new Random(2));
        var factors = code.Factors().Select(row => tensor(row)).ToList();
        // Each label with its neighbour, from five per cent to half.
        var weight = rand([labels], generator: new Generator(6)) * (0.5 - share) + share;
        var plain = ones(labels);
        var coded = factors.Select(row => (row * (1 - weight)) + (row.roll(1) * weight)).ToList();
        Assert.Equal(0, code.Decode(plain, coded).Single.sum().item<long>());
    }
}
