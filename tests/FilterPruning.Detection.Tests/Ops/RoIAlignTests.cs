using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Tests.Ops;

public class RoIAlignTests
{
    // Sums of at most a few hundred products of values of order one in float32.
    private const double Tolerance = 2e-5;

    public static TheoryData<int, int, int, int, int, int, int, bool> Cases() => new()
    {
        // N, C, H, W, oh, ow, sampling ratio, aligned
        { 1, 3, 20, 30, 7, 7, 2, false },
        { 2, 5, 17, 13, 7, 7, -1, false },
        { 2, 20, 9, 33, 3, 5, 0, true },
        { 1, 1, 50, 41, 14, 14, 1, true },
        { 2, 2, 1, 1, 2, 2, 2, false },
        { 1, 4, 1, 7, 7, 3, 3, false },
        { 3, 17, 8, 2, 1, 1, -1, true },
        { 1, 33, 64, 64, 28, 28, 2, false },
        { 1, 2, 12, 150, 7, 20, -1, false },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_kernel_and_the_composed_operations_agree(int n, int c, int h, int w, int oh, int ow, int ratio, bool aligned)
    {
        using var scope = NewDisposeScope();
        var rois = RandomBoxes.RoIs(new Random(h * 100 + w), 25, n, w * 4, h * 4);
        var (kernelIn, composedIn) = (RandomBoxes.Normal(1, n, c, h, w).requires_grad_(), RandomBoxes.Normal(1, n, c, h, w).requires_grad_());
        var sampling = new RoISampling(oh, ow, ratio, aligned);

        var kernel = RoIAlign.Apply(kernelIn, rois, oh, ow, 0.25, ratio, aligned);
        var composed = RoIAlignComposed.Apply(composedIn, rois, sampling, 0.25);
        Assert.Equal(composed.shape, kernel.shape);
        Assert.True(composed.abs().max().item<float>() > 0.1);
        Assert.InRange(RandomBoxes.LargestDifference(kernel, composed), 0, Tolerance);

        var cotangent = RandomBoxes.Normal(2, kernel.shape);
        var fromKernel = autograd.grad([kernel], [kernelIn], [cotangent])[0];
        var fromComposed = autograd.grad([composed], [composedIn], [cotangent])[0];
        Assert.True(fromComposed.abs().max().item<float>() > 0.1);
        Assert.InRange(RandomBoxes.LargestDifference(fromKernel, fromComposed), 0, 1e-4);
    }
}
