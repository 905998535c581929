using FilterPruning.Tracing;

namespace FilterPruning.Tests.Tracing;

public class LabelReaderTests
{
    [Theory]
    [InlineData(3, 40, 13)] // a map: units in the middle
    [InlineData(50, 40, 1)] // rows: units last
    [InlineData(1, 300, 37)] // two digits
    [InlineData(1, 7, 1)]
    public void It_reads_what_the_tensors_say(long outer, int units, long inner)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3, CPU);
        var code = new ChannelCode(Enumerable.Range(0, units).ToArray(), units, new Random(1));
        var plain = randn([outer, units, inner], generator: generator);
        // Elements of a unit reach one of two labels; some are dead, too faint, or not finite.
        var labels = (arange(units).view(1, -1, 1) + arange(inner).remainder(2) * 5).remainder(units).expand(outer, units, inner);
        plain = plain * randint(0, 4, [outer, units, inner], generator: generator).ne(0);
        plain[0, 0, 0] = float.NaN;
        plain[0, units - 1, 0] = 1e-7f;
        var coded = code.Factors().Select(row => plain * tensor(row).index_select(0, labels.reshape(-1)).view(outer, units, inner)).ToList();

        var rows = plain.movedim([1], [0]).reshape(units, -1);
        var (label, single) = code.Decode(rows, coded.Select(gradient => gradient.movedim([1], [0]).reshape(units, -1)).ToList());
        var live = ChannelProbe.Live(rows);
        Assert.False(live.logical_and(single.logical_not()).any().item<bool>());
        var expected = ChannelProbe.Pairs(label, live, units).ToHashSet();

        var actual = LabelReader.Read(plain, coded, 1, code);
        Assert.NotNull(actual);
        Assert.True(expected.SetEquals(actual));
        Assert.Equal(Enumerable.Range(0, units).Where(unit => rows[unit].nan_to_num(0, 0, 0).abs().max().item<float>() > 0), LabelReader.LiveUnits(plain, 1));
    }

    [Fact]
    public void One_element_that_reaches_two_labels_makes_it_give_up()
    {
        using var scope = NewDisposeScope();
        var code = new ChannelCode(Enumerable.Range(0, 16).ToArray(), 16, new Random(2));
        var plain = ones(1, 16, 64);
        var coded = code.Factors().Select(row => plain * tensor(row).view(1, -1, 1)).ToList();
        Assert.NotNull(LabelReader.Read(plain, coded, 1, code));
        var factors = code.Factors();
        for (var row = 0; row < coded.Count; row++) coded[row][0, 5, 63] = 0.3f * factors[row][5] + 0.7f * factors[row][9];
        Assert.Null(LabelReader.Read(plain, coded, 1, code));
        Assert.Null(LabelReader.Read(plain.to(float64), [.. coded.Select(gradient => gradient.to(float64))], 1, code));
    }
}
