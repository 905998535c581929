using FilterPruning.Detection.Models;
using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Tests.Ops;

public class ImageResizeTests
{
    private static readonly float[] Mean = [0.485f, 0.456f, 0.406f];
    private static readonly float[] Std = [0.229f, 0.224f, 0.225f];

    [Theory]
    [InlineData(1, 1, 1, 1)]
    [InlineData(1, 1, 40, 33)]
    [InlineData(7, 1, 3, 20)]
    [InlineData(48, 64, 48, 64)]    // the same size
    [InlineData(48, 64, 80, 107)]   // larger
    [InlineData(48, 64, 33, 43)]    // smaller
    [InlineData(90, 400, 17, 64)]   // much smaller: more than two vectors of pixels for sixteen
    [InlineData(130, 20, 200, 31)]
    public void One_pass_gives_what_the_definition_says(int height, int width, int toHeight, int toWidth)
    {
        using var scope = NewDisposeScope();
        var image = rand([3, height, width], generator: new Generator(7));
        var (paddedHeight, paddedWidth) = (toHeight + 5, toWidth + 18);
        var pixels = image.data<float>().ToArray();
        var fast = Run(image, toHeight, toWidth, paddedHeight, paddedWidth, plain: false);
        var simple = Run(image, toHeight, toWidth, paddedHeight, paddedWidth, plain: true);
        Assert.Equal(simple, fast);
        for (var i = 0; i < fast.Length; i++)
        {
            var (c, y, x) = (i / (paddedHeight * paddedWidth), i / paddedWidth % paddedHeight, i % paddedWidth);
            if (y >= toHeight || x >= toWidth)
            {
                Assert.Equal(0, fast[i]);
                continue;
            }

            // Positions of up to 400 pixels have an error of 3e-5, times a slope of at most 1 / 0.22.
            Assert.Equal(Naive(pixels.AsSpan(c * height * width, height * width), height, width, toHeight, toWidth, y, x, Mean[c], Std[c]), fast[i], 3e-4);
        }
    }

    [Theory]
    [InlineData(64, 48, 64)]
    [InlineData(100, 48, 64)]
    [InlineData(33, 90, 61)]
    public void The_transform_agrees_with_the_composed_operations_on_any_number_of_threads(int minSize, int height, int width)
    {
        using var scope = NewDisposeScope();
        var transform = new GeneralizedRcnnTransform(new MaskRcnnOptions { MinSize = minSize, MaxSize = 300 });
        Tensor[] images = [rand([3, height, width], generator: new Generator(1)), rand([3, width, height], generator: new Generator(2)).transpose(1, 2)];
        int[] sizes = [minSize, minSize];
        var composed = transform.ApplyComposed(images, sizes);
        var before = get_num_threads();
        try
        {
            var bits = new List<float[]>();
            foreach (var threads in new[] { 1, 2, 4 })
            {
                set_num_threads(threads);
                var (batch, resized) = transform.Apply(images, sizes);
                Assert.Equal(composed.Sizes, resized);
                Assert.Equal(composed.Tensors.shape, batch.shape);
                // Both round positions of up to 90 pixels (8e-6, times a slope of at most 1 / 0.22) and sums of values up to 3.
                Assert.InRange(RandomBoxes.LargestDifference(composed.Tensors, batch), 0, 5e-5);
                bits.Add(batch.data<float>().ToArray());
            }

            Assert.All(bits, other => Assert.Equal(bits[0], other));
        }
        finally
        {
            set_num_threads(before);
        }
    }

    [Fact]
    public void Gradients_reach_an_image_that_wants_them()
    {
        using var scope = NewDisposeScope();
        var transform = new GeneralizedRcnnTransform(new MaskRcnnOptions { MinSize = 32, MaxSize = 64 });
        var image = rand(3, 16, 16).requires_grad_();
        var gradient = autograd.grad([transform.Apply([image], [32]).Tensors.sum()], [image])[0];
        Assert.True(gradient.gt(0).all().item<bool>());
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        using var scope = NewDisposeScope();
        var transform = new GeneralizedRcnnTransform(new MaskRcnnOptions { MinSize = 32, MaxSize = 64 });
        Tensor[] images = [rand(3, 16, 20), rand(3, 20, 16)];
        Leaks.AssertNone(() => transform.Apply(images, [32, 32]), expected: 1);
    }

    private static float[] Run(Tensor image, int toHeight, int toWidth, int paddedHeight, int paddedWidth, bool plain)
    {
        using var scope = NewDisposeScope();
        var place = full([3, paddedHeight, paddedWidth], float.NaN);
        ImageResizeKernel.Run(
            TensorMemory.Address(image), ((int)image.shape[1], (int)image.shape[2]), Mean, Std, TensorMemory.Address(place), (toHeight, toWidth), (paddedHeight, paddedWidth), plain);
        return place.data<float>().ToArray();
    }

    private static double Naive(ReadOnlySpan<float> pixels, int height, int width, int toHeight, int toWidth, int y, int x, double mean, double std)
    {
        var sy = Math.Max((y + 0.5) * height / toHeight - 0.5, 0);
        var sx = Math.Max((x + 0.5) * width / toWidth - 0.5, 0);
        var (top, left) = (Math.Min((int)sy, height - 1), Math.Min((int)sx, width - 1));
        var (bottom, right) = (Math.Min(top + 1, height - 1), Math.Min(left + 1, width - 1));
        var (fy, fx) = (sy - top, sx - left);
        var value = (1 - fy) * ((1 - fx) * pixels[top * width + left] + fx * pixels[top * width + right])
            + fy * ((1 - fx) * pixels[bottom * width + left] + fx * pixels[bottom * width + right]);
        return (value - mean) / std;
    }
}
