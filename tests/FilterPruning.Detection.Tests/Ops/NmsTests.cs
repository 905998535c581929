using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Tests.Ops;

public class NmsTests
{
    public static TheoryData<int, double> Cases()
    {
        var cases = new TheoryData<int, double>();
        foreach (var count in new[] { 0, 1, 2, 7, 8, 9, 15, 16, 17, 33, 200 })
        {
            foreach (var threshold in new[] { 0, 0.3, 0.7, 1, -1 })
                cases.Add(count, threshold);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Survivors_are_those_of_the_definition(int count, double threshold)
    {
        using var scope = NewDisposeScope();
        var random = new Random(count);
        var boxes = RandomBoxes.Boxes(random, count, 40, 30);
        if (count > 8)
            boxes[3].copy_(boxes[7]); // equal boxes
        var scores = tensor(Enumerable.Range(0, count).Select(_ => random.Next(6) / 5f).ToArray()); // ties
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64 })
        {
            var kept = BoxOps.Nms(boxes.to(dtype), scores.to(dtype), threshold);
            Assert.Equal(ScalarType.Int64, kept.dtype);
            Assert.Equal(Naive(boxes, scores, null, threshold), kept.data<long>().ToArray());
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(50)]
    [InlineData(1500)]
    public void Groups_leave_each_other_alone(int count)
    {
        using var scope = NewDisposeScope();
        var random = new Random(count);
        var boxes = RandomBoxes.Boxes(random, count, 64, 64).round(); // whole numbers: shifting them does not round
        var scores = tensor(Enumerable.Range(0, count).Select(_ => random.Next(500) / 500f).ToArray());
        var groups = Enumerable.Range(0, count).Select(_ => (long)random.Next(4)).ToArray();
        var kept = BoxOps.BatchedNms(boxes, scores, tensor(groups), 0.5);
        Assert.Equal(Naive(boxes, scores, groups, 0.5), kept.data<long>().ToArray());
    }

    [Fact]
    public void Undefined_scores_come_first_as_torch_sorts()
    {
        using var scope = NewDisposeScope();
        var boxes = tensor(new float[] { 0, 0, 9, 9, 20, 20, 29, 29, 40, 40, 49, 49, 60, 60, 69, 69 }).view(4, 4);
        var scores = tensor(new[] { -0f, float.NaN, float.PositiveInfinity, 0f });
        Assert.Equal([1, 2, 0, 3], BoxOps.Nms(boxes, scores, 0.5).data<long>().ToArray());
    }

    [Fact]
    public void The_order_in_linear_time_is_that_of_sorting()
    {
        var random = new Random(3);
        foreach (var count in new[] { 0, 1, 2, 100, 5000 })
        {
            float[] scores = [.. Enumerable.Range(0, count).Select(_ => BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue)))];
            for (var i = 0; i + 3 < count; i += 9)
                (scores[i], scores[i + 1], scores[i + 2], scores[i + 3]) = (0.25f, -0f, 0f, float.NaN);
            Assert.Equal(NmsKernel.DescendingOrder(Array.ConvertAll(scores, score => (double)score)), NmsKernel.DescendingOrder(scores));
        }
    }

    [Fact]
    public void Groups_with_negative_coordinates_are_compared_as_torchvision_does()
    {
        using var scope = NewDisposeScope();
        // Shifted by 11, the second group's box begins at 1 and meets the first group's.
        var boxes = tensor(new float[] { 0, 0, 10, 10, -10, -10, 0, 0, 1, 1, 2, 2 }).view(3, 4);
        var kept = BoxOps.BatchedNms(boxes, tensor(new[] { 0.9f, 0.8f, 0.7f }), tensor(new long[] { 0, 1, 1 }), 0.5);
        Assert.Equal([0, 2], kept.data<long>().ToArray());
    }

    [Fact]
    public void The_survivors_do_not_depend_on_the_number_of_threads()
    {
        using var scope = NewDisposeScope();
        var (boxes, scores) = (RandomBoxes.Boxes(new Random(6), 3000, 300, 200), rand(3000, generator: new Generator(1)));
        var groups = randint(5, 3000, dtype: ScalarType.Int64, generator: new Generator(2));
        var expected = Naive(boxes, scores, groups.data<long>().ToArray(), 0.6);
        var before = get_num_threads();
        try
        {
            foreach (var threads in new[] { 1, 2, 4 })
            {
                set_num_threads(threads);
                Assert.Equal(expected, BoxOps.BatchedNms(boxes, scores, groups, 0.6).data<long>().ToArray());
            }
        }
        finally
        {
            set_num_threads(before);
        }
    }

    [Fact]
    public void Wrong_shapes_are_named()
    {
        using var scope = NewDisposeScope();
        Assert.Throws<ArgumentException>(() => BoxOps.Nms(zeros(3, 5), zeros(3), 0.5));
        Assert.Throws<ArgumentException>(() => BoxOps.Nms(zeros(3, 4), zeros(2), 0.5));
        Assert.Throws<ArgumentException>(() => BoxOps.BatchedNms(zeros(3, 4), zeros(3), zeros(4, ScalarType.Int64), 0.5));
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        using var scope = NewDisposeScope();
        var (boxes, scores, groups) = (RandomBoxes.Boxes(new Random(1), 20, 9, 9), rand(20), zeros(20, ScalarType.Int64));
        Leaks.AssertNone(() => BoxOps.Nms(boxes, scores, 0.5), expected: 1);
        Leaks.AssertNone(() => BoxOps.BatchedNms(boxes, scores, groups, 0.5), expected: 1);
        Leaks.AssertNone(() => BoxOps.Iou(boxes, boxes), expected: 1);
        Leaks.AssertNone(() => BoxOps.ClipToImage(boxes, (5, 6)), expected: 1);
        Leaks.AssertNone(() => BoxOps.RemoveSmall(boxes, 2), expected: 1);
        Leaks.AssertNone(() => BoxOps.Area(boxes), expected: 1);
    }

    // O(n²), from the definition.
    private static long[] Naive(Tensor boxes, Tensor scores, long[]? groups, double threshold)
    {
        if (scores.NumberOfElements == 0)
            return [];
        var iou = BoxOps.Iou(boxes, boxes).data<float>().ToArray();
        var values = scores.data<float>().ToArray();
        var kept = new List<long>();
        foreach (var i in Enumerable.Range(0, values.Length).OrderByDescending(i => values[i]))
        {
            if (kept.All(k => (groups is not null && groups[k] != groups[i]) || !(iou[k * values.Length + i] > threshold)))
                kept.Add(i);
        }

        return [.. kept];
    }
}
