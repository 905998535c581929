using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Tests.Ops;

/// <summary>Decoding in one pass against the operations one after the other, and against the definition.</summary>
public class ProposalFilterTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(37, 1)]
    [InlineData(20, 6)]
    [InlineData(900, 7)] // more than one item of work
    public void Boxes_are_those_of_the_definition(int count, int classes)
    {
        using var scope = NewDisposeScope();
        var coder = new BoxCoder(10, 10, 5, 5);
        var (boxes, codes) = (RandomBoxes.Boxes(new Random(count), count, 200, 100), RandomBoxes.Normal(1, count, 4 * classes) * 8);
        var (fast, composed) = (coder.DecodeSingle(codes, boxes), coder.DecodeComposed(codes, boxes));
        Assert.Equal([count, 4 * classes], fast.shape);
        if (count == 0)
            return;
        var (values, references, starts, given) = (fast.data<float>().ToArray(), composed.data<float>().ToArray(), boxes.data<float>().ToArray(), codes.data<float>().ToArray());
        for (var i = 0; i < values.Length; i++)
        {
            var (box, axis) = (i / (4 * classes), i % 2);
            double low = starts[box * 4 + axis], size = starts[box * 4 + 2 + axis] - (double)starts[box * 4 + axis];
            var first = i - i % 4;
            var half = 0.5 * size * Math.Exp(Math.Min(given[first + 2 + axis] / 5.0, Math.Log(1000.0 / 16)));
            var centre = low + 0.5 * size + given[first + axis] / 10.0 * size;
            var expected = i % 4 < 2 ? centre - half : centre + half;
            // A dozen roundings of numbers no larger than the start, the centre and the half; the exponential's argument of up to 4.1 rounds as well.
            var tolerance = 12 * 6e-8 * (Math.Abs(low) + size + Math.Abs(centre) + 4.2 * half);
            Assert.Equal(expected, values[i], tolerance + 1e-9);
            Assert.Equal(references[i], values[i], 2 * tolerance + 1e-9);
        }
    }

    [Fact]
    public void Undefined_codes_give_undefined_boxes_and_large_ones_are_clipped()
    {
        using var scope = NewDisposeScope();
        var coder = new BoxCoder(1, 1, 1, 1);
        var codes = tensor(new float[] { float.NaN, 0, 0, 0, 0, 0, float.NaN, 0, 0, 0, 100, float.PositiveInfinity }).view(3, 4);
        var boxes = tensor(new float[] { 0, 0, 2, 2 }).view(1, 4).expand(3, 4).contiguous();
        var (fast, composed) = (coder.DecodeSingle(codes, boxes), coder.DecodeComposed(codes, boxes));
        Assert.Equal(composed.isnan().data<bool>().ToArray(), fast.isnan().data<bool>().ToArray());
        Assert.Equal(1 - 62.5f, fast[2, 0].item<float>(), 1e-3f);
        Assert.Equal(1 + 62.5f, fast[2, 3].item<float>(), 1e-3f);
    }

    [Fact]
    public void Gradients_take_the_composed_way()
    {
        using var scope = NewDisposeScope();
        var (codes, boxes) = (RandomBoxes.Normal(1, 5, 4).requires_grad_(), RandomBoxes.Boxes(new Random(1), 5, 20, 20));
        var decoded = new BoxCoder(1, 1, 1, 1).DecodeSingle(codes, boxes);
        Assert.True(autograd.grad([decoded.sum()], [codes])[0].abs().sum().item<float>() > 0);
    }

    [Theory]
    [InlineData(300, 0)]
    [InlineData(2500, 0)]
    [InlineData(2500, 0.5)]
    public void Proposals_are_those_of_the_steps_one_after_the_other(int count, double scoreThreshold)
    {
        using var scope = NewDisposeScope();
        var coder = new BoxCoder(1, 1, 1, 1);
        var (anchors, deltas) = (RandomBoxes.Boxes(new Random(3), count, 320, 240), RandomBoxes.Normal(4, count, 4) * 0.3);
        deltas[5, 0] = float.NaN;
        var index = randperm(count, ScalarType.Int64, generator: new Generator(5)).narrow(0, 0, count - 10);
        var scores = (rand(count - 10, generator: new Generator(6)) * 200).round() / 200; // ties
        var levels = randint(5, count - 10, dtype: ScalarType.Int64, generator: new Generator(7));
        var settings = new FilterSettings((200, 300), 4, scoreThreshold, 0.7, 150);

        var boxes = BoxOps.ClipToImage(coder.DecodeSingle(deltas.index_select(0, index), anchors.index_select(0, index)), settings.Size);
        var keep = BoxOps.RemoveSmall(boxes, settings.SmallestSide);
        if (scoreThreshold > 0)
            keep = keep.masked_select(scores.index_select(0, keep).ge(scoreThreshold));
        var kept = BoxOps.BatchedNms(boxes.index_select(0, keep), scores.index_select(0, keep), levels.index_select(0, keep), settings.NmsThreshold);
        var expected = boxes.index_select(0, keep.index_select(0, kept.narrow(0, 0, Math.Min(settings.Most, kept.shape[0]))));

        var before = get_num_threads();
        try
        {
            foreach (var threads in new[] { 1, 2, 4 })
            {
                set_num_threads(threads);
                var actual = ProposalFilter.Propose(coder, deltas, anchors, index, scores, levels, settings);
                Assert.InRange(actual.shape[0], 50, settings.Most);
                Assert.Equal(expected.data<float>().ToArray(), actual.data<float>().ToArray());
            }
        }
        finally
        {
            set_num_threads(before);
        }
    }

    [Fact]
    public void Detections_are_those_of_the_steps_one_after_the_other()
    {
        using var scope = NewDisposeScope();
        var coder = new BoxCoder(10, 10, 5, 5);
        var proposals = RandomBoxes.Boxes(new Random(8), 200, 320, 240);
        var (probabilities, deltas) = ((RandomBoxes.Normal(9, 200, 7) * 2).softmax(1), RandomBoxes.Normal(10, 200, 7, 4));
        var settings = new FilterSettings((240, 320), 1e-2, 0.05, 0.5, 100);

        var candidates = probabilities.narrow(1, 1, 6).gt(settings.ScoreThreshold).nonzero();
        var (rows, labels) = (candidates.select(1, 0), candidates.select(1, 1) + 1);
        var scores = probabilities.index(rows, labels);
        var boxes = BoxOps.ClipToImage(coder.DecodeSingle(deltas.index(rows, labels), proposals.index_select(0, rows)), settings.Size);
        var keep = BoxOps.RemoveSmall(boxes, settings.SmallestSide);
        var kept = BoxOps.BatchedNms(boxes.index_select(0, keep), scores.index_select(0, keep), labels.index_select(0, keep), settings.NmsThreshold);
        keep = keep.index_select(0, kept.narrow(0, 0, Math.Min(settings.Most, kept.shape[0])));

        var found = ProposalFilter.Detect(coder, probabilities, deltas, proposals, settings);
        Assert.Equal(100, found.Boxes.shape[0]);
        Assert.Equal(boxes.index_select(0, keep).data<float>().ToArray(), found.Boxes.data<float>().ToArray());
        Assert.Equal(labels.index_select(0, keep).data<long>().ToArray(), found.Labels.data<long>().ToArray());
        Assert.Equal(scores.index_select(0, keep).data<float>().ToArray(), found.Scores.data<float>().ToArray());
    }

    [Fact]
    public void Nothing_to_look_at_gives_nothing()
    {
        using var scope = NewDisposeScope();
        var coder = new BoxCoder(1, 1, 1, 1);
        var settings = new FilterSettings((9, 9), 0, 2, 0.5, 10);
        var none = zeros(0, ScalarType.Int64);
        Assert.Equal([0, 4], ProposalFilter.Propose(coder, zeros(3, 4), zeros(3, 4), none, zeros(0), none, settings).shape);
        var (boxes, labels, scores) = ProposalFilter.Detect(coder, zeros(0, 3), zeros(0, 3, 4), zeros(0, 4), settings);
        Assert.Equal([0, 4], boxes.shape);
        Assert.Equal([0], labels.shape);
        Assert.Equal([0], scores.shape);
        Leaks.AssertNone(() => ProposalFilter.Propose(coder, zeros(3, 4), ones(3, 4), none, zeros(0), none, settings), expected: 4);
    }
}
