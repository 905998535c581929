using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Tests.Ops;

public class MultiScaleRoIAlignTests
{
    private static readonly (int Height, int Width)[] ImageSizes = [(250, 200), (256, 190)];

    [Fact]
    public void The_kernel_and_the_composed_operations_agree()
    {
        using var scope = NewDisposeScope();
        var (managed, composed) = (Pyramid(), Pyramid());
        var boxes = Boxes();
        var pooler = new MultiScaleRoIAlign(["0", "1", "2"], 5, 2) { CanonicalScale = 32, CanonicalLevel = 3 };
        var fused = pooler.Pool(managed, boxes, ImageSizes);
        var rois = cat([cat([zeros(12, 1), boxes[0]], 1), cat([ones(9, 1), boxes[1]], 1)], 0).data<float>().ToArray();
        var levels = new LevelMapper(2, 4, 32, 3).Map(rois, 5);
        Assert.Equal(3, levels.Distinct().Count());
        var parts = MultiScaleRoIAlign.PoolComposed(composed, rois, levels, [0.25, 0.125, 0.0625], new RoISampling(5, 5, 2, false));
        Assert.InRange(RandomBoxes.LargestDifference(fused, parts), 0, 2e-5);

        var cotangent = RandomBoxes.Normal(5, fused.shape);
        var fromKernel = autograd.grad([fused], managed, [cotangent]);
        var fromParts = autograd.grad([parts], composed, [cotangent]);
        for (var level = 0; level < 3; level++)
        {
            Assert.True(fromParts[level].abs().max().item<float>() > 0.1);
            Assert.InRange(RandomBoxes.LargestDifference(fromKernel[level], fromParts[level]), 0, 1e-4);
        }
    }

    [Fact]
    public void A_level_without_boxes_has_a_gradient_of_zero()
    {
        using var scope = NewDisposeScope();
        var features = Pyramid();
        var small = tensor(new float[] { 8, 8, 20, 20 }).view(1, 4);
        var pooled = new MultiScaleRoIAlign(["0", "1", "2"], 3, 2).Pool(features, [small, zeros(0, 4)], ImageSizes);
        Assert.Equal([1, 6, 3, 3], pooled.shape);
        var gradients = autograd.grad([pooled.sum()], features);
        Assert.Equal([true, false, false], gradients.Select(g => g.abs().max().item<float>() > 0));
    }

    [Fact]
    public void No_boxes_at_all_pool_nothing()
    {
        using var scope = NewDisposeScope();
        var pooled = new MultiScaleRoIAlign(["0", "1", "2"], 3, 2).Pool(Pyramid(), [zeros(0, 4), zeros(0, 4)], ImageSizes);
        Assert.Equal([0, 6, 3, 3], pooled.shape);
    }

    [Fact]
    public void Levels_change_at_powers_of_two_of_the_canonical_scale()
    {
        var mapper = new LevelMapper(2, 5);
        float[] sides = [1, 111.9f, 112, 223.9f, 224, 447.9f, 448, 5000, 0];
        var boxes = sides.SelectMany(side => new[] { 10, 20, 10 + side, 20 + side }).ToArray();
        Assert.Equal([0, 0, 1, 1, 2, 2, 3, 3, 0], mapper.Map(boxes, 4));
        Assert.Equal([0, 0], mapper.Map([0, 0, -5, 5, 0, 0, float.NaN, 5], 4));
    }

    [Fact]
    public void Double_precision_takes_the_composed_operations()
    {
        using var scope = NewDisposeScope();
        var pooler = new MultiScaleRoIAlign(["0", "1", "2"], 5, 2) { CanonicalScale = 32, CanonicalLevel = 3 };
        var wide = pooler.Pool([.. Pyramid().Select(f => f.to(ScalarType.Float64))], Boxes(), ImageSizes);
        Assert.Equal(ScalarType.Float64, wide.dtype);
        Assert.InRange(RandomBoxes.LargestDifference(wide, pooler.Pool(Pyramid(), Boxes(), ImageSizes)), 0, 2e-4);
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        using var scope = NewDisposeScope();
        var (features, boxes) = (Pyramid(), Boxes());
        var pooler = new MultiScaleRoIAlign(["0", "1", "2"], 3, 2);
        Leaks.AssertNone(() => pooler.Pool(features, boxes, ImageSizes), expected: 1);
        using var guard = no_grad();
        Leaks.AssertNone(() => pooler.Pool(features, boxes, ImageSizes), expected: 1);
    }

    private static Tensor[] Pyramid() =>
    [
        RandomBoxes.Normal(1, 2, 6, 64, 50).requires_grad_(), RandomBoxes.Normal(2, 2, 6, 32, 25).requires_grad_(),
        RandomBoxes.Normal(3, 2, 6, 16, 13).requires_grad_(),
    ];

    private static Tensor[] Boxes() => [RandomBoxes.Boxes(new Random(1), 12, 200, 250), RandomBoxes.Boxes(new Random(2), 9, 190, 256)];
}
