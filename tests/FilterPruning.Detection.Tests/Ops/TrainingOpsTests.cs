using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Tests.Ops;

/// <summary>What only training needs: box coding, matching, sampling, the regression loss.</summary>
public class TrainingOpsTests
{
    [Fact]
    public void Decoding_undoes_encoding()
    {
        using var scope = NewDisposeScope();
        var grow = tensor(new float[] { 0, 0, 4, 4 });
        var (truth, proposals) = (RandomBoxes.Boxes(new Random(1), 20, 90, 70) + grow, RandomBoxes.Boxes(new Random(2), 20, 90, 70) + grow);
        var coder = new BoxCoder(10, 10, 5, 5);
        var decoded = coder.Decode(coder.EncodeSingle(truth, proposals), [proposals]);
        Assert.Equal([20, 1, 4], decoded.shape);
        Assert.InRange(RandomBoxes.LargestDifference(decoded.squeeze(1), truth), 0, 1e-3); // pixels
    }

    [Fact]
    public void No_boxes_decode_to_no_boxes()
    {
        using var scope = NewDisposeScope();
        Assert.Equal([0, 3, 4], new BoxCoder(1, 1, 1, 1).Decode(zeros(0, 12), [zeros(0, 4), zeros(0, 4)]).shape);
    }

    [Fact]
    public void Codes_that_do_not_fit_the_boxes_are_refused() =>
        Assert.Throws<ArgumentException>(() => new BoxCoder(1, 1, 1, 1).Decode(zeros(3, 4), [zeros(2, 4)]));

    [Fact]
    public void Matches_follow_the_thresholds()
    {
        using var scope = NewDisposeScope();
        // Two ground truths, five predictions.
        var quality = tensor(new[] { 0.9f, 0.5f, 0.3f, 0.1f, 0f, 0.2f, 0.6f, 0.45f, 0.1f, 0.05f }).view(2, 5);
        Assert.Equal([0, 1, -2, -1, -1], new Matcher(0.5, 0.4).Match(quality).data<long>().ToArray());
        Assert.Equal([0, -2, -2, -1, -1], new Matcher(0.7, 0.4).Match(quality).data<long>().ToArray());
        Assert.Equal([0, 1, -2, -1, -1], new Matcher(0.7, 0.4, allowLowQualityMatches: true).Match(quality).data<long>().ToArray());
        Assert.Throws<ArgumentException>(() => new Matcher(0.7, 0.4).Match(zeros(0, 5)));
        Assert.Throws<ArgumentException>(() => new Matcher(0.3, 0.4));
    }

    [Theory]
    [InlineData(50, 200, 16, 48)] // enough of both
    [InlineData(5, 200, 5, 59)] // too few positive ones are filled up
    [InlineData(50, 10, 16, 10)] // too few negative ones are not
    [InlineData(0, 0, 0, 0)]
    public void Samples_have_the_right_size_and_kind(int positives, int negatives, int expectedPositives, int expectedNegatives)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        var labels = cat([full([positives], 3L), zeros([negatives], ScalarType.Int64), full([20], -1L)], 0);
        var (positive, negative) = new BalancedSampler(64, 0.25).Sample([labels], generator);
        Assert.Equal(expectedPositives, positive[0].sum().item<long>());
        Assert.Equal(expectedNegatives, negative[0].sum().item<long>());
        Assert.Equal(0, positive[0].logical_and(labels.lt(1)).sum().item<long>());
        Assert.Equal(0, negative[0].logical_and(labels.ne(0)).sum().item<long>());
    }

    [Fact]
    public void A_seed_decides_the_sample()
    {
        using var scope = NewDisposeScope();
        var labels = arange(300).remainder(2);
        Assert.Equal(Draw(1), Draw(1));
        Assert.NotEqual(Draw(1), Draw(2));

        bool[] Draw(ulong seed)
        {
            using var generator = new Generator(seed);
            return new BalancedSampler(64, 0.5).Sample([labels], generator).Positive[0].data<bool>().ToArray();
        }
    }

    [Fact]
    public void Smooth_l1_is_a_square_near_zero_and_a_line_beyond()
    {
        using var scope = NewDisposeScope();
        var loss = BoxLosses.SmoothL1Sum(tensor(new[] { 0.1, -2.0 }), zeros(2, ScalarType.Float64), 0.5);
        Assert.Equal(0.1 * 0.1 / (2 * 0.5) + (2 - 0.25), loss.item<double>(), 1e-12);
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        var boxes = RandomBoxes.Boxes(new Random(1), 6, 9, 9) + tensor(new float[] { 0, 0, 1, 1 });
        var (coder, matcher, sampler) = (new BoxCoder(1, 1, 1, 1), new Matcher(0.7, 0.3, true), new BalancedSampler(4, 0.5));
        var (codes, quality, labels) = (zeros(6, 8), rand(3, 6), arange(6).remainder(2));
        Leaks.AssertNone(() => coder.Encode([boxes[..2], boxes[2..]], [boxes[..2], boxes[2..]]), expected: 2 + 4); // four slices are the test's
        Leaks.AssertNone(() => coder.Decode(codes, [boxes]), expected: 1);
        Leaks.AssertNone(() => matcher.Match(quality), expected: 1);
        Leaks.AssertNone(() => sampler.Sample([labels], generator), expected: 2);
    }
}
