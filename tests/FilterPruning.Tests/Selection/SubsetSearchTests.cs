using FilterPruning.Selection;

namespace FilterPruning.Tests.Selection;

/// <summary>The order in which channels go, against refits that are made from the rows themselves.</summary>
public sealed class SubsetSearchTests
{
    private const double Noise = 1e-9;

    [Theory]
    [InlineData(12, 5, 1)]
    [InlineData(150, 20, 2)]      // more steps than a panel holds, and rows that are left out
    public void WhatIsLostIsWhatARefitFromTheRowsLoses(int channels, int outputs, int seed)
    {
        using var scope = NewDisposeScope();
        var (x, weight) = Problem(4 * channels, channels, outputs, seed);
        using var reader = Reader(x, weight);
        foreach (var path in new[] { SelectionOrder.Backward([reader], new bool[channels], Noise), SelectionOrder.Forward([reader], new bool[channels], Noise) })
        {
            Assert.Equal(Enumerable.Range(0, channels), path.Order.Order());
            foreach (var gone in new[] { 0, 1, channels / 3, channels / 2, channels - 2, channels })
            {
                var kept = Enumerable.Range(0, channels).Except(path.Order.Take(gone)).ToArray();
                // The noise shifts the loss by its own share of the energy at most, times the length of the coefficients.
                Assert.Equal(Refit(x, weight, kept), path.Lost[gone], 1e-6);
            }
        }
    }

    [Fact]
    public void TheFirstToGoAndTheLastToStayAreTheBestOfAll()
    {
        for (var seed = 0; seed < 5; seed++)
        {
            using var scope = NewDisposeScope();
            var (x, weight) = Problem(60, 7, 3, seed);
            using var reader = Reader(x, weight);
            var everyone = Enumerable.Range(0, 7).ToArray();
            var first = SelectionOrder.Backward([reader], new bool[7], Noise).Order[0];
            Assert.Equal(everyone.MinBy(gone => Refit(x, weight, [.. everyone.Where(channel => channel != gone)])), first);
            var last = SelectionOrder.Forward([reader], new bool[7], Noise).Order[^1];
            Assert.Equal(everyone.MinBy(kept => Refit(x, weight, [kept])), last);
        }
    }

    [Fact]
    public void ChannelsThatRepeatOthersGoFirstAndCostNothing()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4);
        var basis = randn([200, 5], generator: generator);
        var mix = randn([5, 4], generator: generator);
        var x = cat([basis, basis.mm(mix) * 10], 1);              // nine channels of rank five, the loud ones redundant
        using var reader = Reader(x, randn([9, 6], generator: generator));
        var path = SelectionOrder.Backward([reader], new bool[9], Noise);
        Assert.True(path.Lost[4] < 1e-6, $"four redundant channels cost {path.Lost[4]}");
        Assert.True(path.Lost[5] > 1e-3, $"the fifth is not redundant and costs {path.Lost[5]}");
    }

    [Fact]
    public void AChannelThatNoReaderWeighsGoesBeforeOneThatIsSmall()
    {
        // Independent channels: each costs its variance times its squared weight. 4·1 < 1·9 < 1·16, over 29.
        using var scope = NewDisposeScope();
        using var reader = new ReaderMoments(diag(tensor([1.0, 4.0, 1.0, 100.0])), diag(tensor([9.0, 1.0, 16.0, 0.0])), Singles(4), 29);
        var path = SelectionOrder.Backward([reader], new bool[4], Noise);
        Assert.Equal([3, 1, 0, 2], path.Order);
        Assert.Equal(0, path.Lost[1], 1e-7);
        Assert.Equal(4 / 29.0, path.Lost[2], 1e-7);
        Assert.Equal(13 / 29.0, path.Lost[3], 1e-7);
        Assert.Equal(1, path.Lost[4], 1e-7);
    }

    [Fact]
    public void EachReaderCountsByItsOwnOutput()
    {
        // The second reader is a thousand times louder, and still has half of the say: 0.9 / 2 + 0.2 / 2 = 0.55 against 0.1 / 2 + 0.8 / 2 = 0.45.
        using var scope = NewDisposeScope();
        using var quiet = new ReaderMoments(eye(2, dtype: float64), diag(tensor([0.9, 0.1])), Singles(2), 1, 0.5);
        using var loud = new ReaderMoments(eye(2, dtype: float64), diag(tensor([200.0, 800.0])), Singles(2), 1000, 0.5);
        var path = SelectionOrder.Backward([quiet, loud], new bool[2], Noise);
        Assert.Equal([1, 0], path.Order);
        Assert.Equal(0.45, path.Lost[1], 1e-7);
    }

    [Fact]
    public void AReaderThatDoesNotSeeAGroupHasNoSayInIt()
    {
        using var scope = NewDisposeScope();
        using var one = new ReaderMoments(eye(1, dtype: float64), eye(1, dtype: float64), [[], [0]], 2, 0.5);
        using var two = new ReaderMoments(eye(1, dtype: float64), eye(1, dtype: float64), [[0], []], 1, 0.5);
        var path = SelectionOrder.Backward([one, two], new bool[2], Noise);
        Assert.Equal([1, 0], path.Order);
        Assert.Equal(0.25, path.Lost[1], 1e-7);
        Assert.Equal(0.75, path.Lost[2], 1e-7);
    }

    [Fact]
    public void GroupsOfSeveralChannelsGoAsAWhole()
    {
        for (var seed = 0; seed < 3; seed++)
        {
            using var scope = NewDisposeScope();
            var (x, weight) = Problem(80, 9, 4, seed);
            int[][] channels = [[0, 3], [1, 2, 8], [4], [5, 6], [7]];
            var (gram, metric) = Moments(x, weight);
            using var reader = new ReaderMoments(gram, metric, channels, Energy(x, weight));
            foreach (var path in new[] { SelectionOrder.Backward([reader], new bool[5], Noise), SelectionOrder.Forward([reader], new bool[5], Noise) })
            {
                for (var gone = 0; gone <= 5; gone++)
                    Assert.Equal(Refit(x, weight, [.. Enumerable.Range(0, 5).Except(path.Order.Take(gone)).SelectMany(group => channels[group])]), path.Lost[gone], 1e-6);
            }

            var first = SelectionOrder.Backward([reader], new bool[5], Noise).Order[0];
            Assert.Equal(Enumerable.Range(0, 5).MinBy(gone => Refit(x, weight, [.. Enumerable.Range(0, 5).Where(group => group != gone).SelectMany(group => channels[group])])), first);
        }
    }

    [Fact]
    public void WhatMustStayStays()
    {
        using var scope = NewDisposeScope();
        var (x, weight) = Problem(60, 8, 3, 1);
        using var reader = Reader(x, weight);
        bool[] stays = [true, false, false, true, false, false, false, false];
        foreach (var path in new[] { SelectionOrder.Backward([reader], stays, Noise), SelectionOrder.Forward([reader], stays, Noise) })
        {
            Assert.Equal([1, 2, 4, 5, 6, 7], path.Order.Order());
            Assert.Equal(Refit(x, weight, [0, 3]), path.Lost[6], 1e-6);
        }
    }

    [Fact]
    public void ExchangesLoseLessAndAreCountedRight()
    {
        var better = 0;
        for (var seed = 0; seed < 8; seed++)
        {
            using var scope = NewDisposeScope();
            var (x, weight) = Problem(200, 16, 4, seed);
            using var reader = Reader(x, weight);
            // From a bad start: the most useful half goes.
            var path = SelectionOrder.Backward([reader], new bool[16], Noise);
            var removed = new bool[16];
            foreach (var group in path.Order.Skip(8))
                removed[group] = true;
            var start = Refit(x, weight, [.. path.Order.Take(8)]);
            var (refined, lost) = SelectionOrder.Refine([reader], new bool[16], removed, Noise, 100);
            Assert.Equal(8, refined.Count(gone => gone));
            Assert.Equal(Refit(x, weight, [.. Enumerable.Range(0, 16).Where(group => !refined[group])]), lost, 1e-6);
            Assert.True(lost <= start + 1e-9);
            if (lost < 0.9 * start)
                better++;
        }

        Assert.Equal(8, better);
    }

    [Fact]
    public void NoiseMakesSumsOfLargePartsThatCancelExpensive()
    {
        // Channel 2 is 10 · (channel 0 − channel 1), where those two are nearly equal: rebuilt well from exact channels, badly from inexact ones.
        using var scope = NewDisposeScope();
        using var generator = new Generator(9);
        var common = randn([5000, 1], generator: generator);
        var apart = randn([5000, 1], generator: generator) * 0.05;
        using var reader = Reader(cat([common + apart, common - apart, apart * 20], 1), diag(tensor([0f, 0f, 1f])));
        using var exact = new SubsetSearch([reader], 3, 1e-9, allInUse: true);
        using var inexact = new SubsetSearch([reader], 3, 0.05, allInUse: true);
        Assert.True(exact.Values[2] < 1e-5, $"{exact.Values[2]}");
        // The noise of the difference, 2 · 0.05 · 100 times its variance, drowns it: nearly all is lost.
        Assert.True(inexact.Values[2] > 0.8, $"{inexact.Values[2]}");
    }

    [Fact]
    public void FreesItsTensors()
    {
        using var scope = NewDisposeScope();
        var (x, weight) = Problem(300, 80, 5, 3);
        using var reader = Reader(x, weight);
        var before = LiveTensors.Settled();
        SelectionOrder.Backward([reader], new bool[80], Noise);
        SelectionOrder.Refine([reader], new bool[80], [.. Enumerable.Range(0, 80).Select(i => i % 2 == 0)], Noise, 5);
        Assert.Equal(before, LiveTensors.Settled());
    }

    /// <summary>Rows of correlated channels and a reader's weights <c>[channels, outputs]</c>.</summary>
    internal static (Tensor Rows, Tensor Weight) Problem(int rows, int channels, int outputs, int seed)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)seed);
        var mix = (randn([channels, channels], generator: generator) * 0.3) + eye(channels);
        var x = randn([rows, channels], generator: generator).mm(mix) + 1;
        return (x.MoveToOuterDisposeScope(), randn([channels, outputs], generator: generator).MoveToOuterDisposeScope());
    }

    internal static int[][] Singles(int channels) => [.. Enumerable.Range(0, channels).Select(channel => new[] { channel })];

    private static ReaderMoments Reader(Tensor x, Tensor weight)
    {
        var (gram, metric) = Moments(x, weight);
        return new ReaderMoments(gram, metric, Singles((int)x.shape[1]), Energy(x, weight));
    }

    private static (Tensor Gram, Tensor Metric) Moments(Tensor x, Tensor weight)
    {
        var centred = x.to(float64) - x.to(float64).mean([0L]);
        var w = weight.to(float64);
        return (centred.t().mm(centred) / x.shape[0], w.mm(w.t()));
    }

    private static double Energy(Tensor x, Tensor weight)
    {
        var y = x.to(float64).mm(weight.to(float64));
        return (y - y.mean([0L])).square().sum().item<double>() / x.shape[0];
    }

    /// <summary>The share of the output's variance that the best affine map from the kept channels leaves, by QR on the rows.</summary>
    private static double Refit(Tensor x, Tensor weight, int[] kept)
    {
        using var scope = NewDisposeScope();
        var y = x.to(float64).mm(weight.to(float64));
        var columns = ones(x.shape[0], 1, dtype: float64);
        if (kept.Length > 0)
            columns = cat([x.to(float64).index_select(1, tensor(kept.Select(channel => (long)channel).ToArray(), int64)), columns], 1);
        var (q, _) = linalg.qr(columns);
        var left = y - q.mm(q.t().mm(y));
        var variance = (y - y.mean([0L])).square().sum().item<double>();
        return left.square().sum().item<double>() / variance;
    }
}
