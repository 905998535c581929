using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Tests.Ops;

public class MaskOpsTests
{
    [Theory]
    [InlineData(28, 1, 50, 60)]
    [InlineData(28, 0, 33, 17)]
    [InlineData(14, 2, 5, 101)]
    [InlineData(1, 1, 9, 9)]
    public void The_paste_kernel_and_the_composed_operations_agree(int size, int padding, int height, int width)
    {
        using var scope = NewDisposeScope();
        var boxes = RandomBoxes.RoIs(new Random(size + height), 40, 1, width, height).narrow(1, 1, 4).contiguous();
        var masks = rand([40, 1, size, size], generator: new Generator(3));
        var managed = MaskOps.PasteManaged(masks, boxes, (height, width), padding);
        var composed = MaskOps.PasteComposed(masks, boxes, (height, width), padding);
        Assert.True(composed.max().item<float>() > 0.5);
        Assert.InRange(RandomBoxes.LargestDifference(managed, composed), 0, 1e-5);
    }

    [Theory]
    [InlineData(28, 1, 50, 60)]
    [InlineData(28, 1, 1, 1)]
    [InlineData(30, 0, 33, 17)]
    [InlineData(40, 2, 31, 77)] // lines that do not fit in two vectors
    public void Every_pixel_is_that_of_the_definition_and_of_every_processor(int size, int padding, int height, int width)
    {
        using var scope = NewDisposeScope();
        var random = new Random(size);
        var masks = rand([12, 1, size, size], generator: new Generator(4));
        var cells = masks.data<float>().ToArray();
        var boxes = Enumerable.Range(0, 12).Select(_ => Box()).ToArray();
        var (fast, simple) = (Paste(false), Paste(true));
        Assert.Equal(simple, fast);
        var side = size + 2 * padding;
        for (var i = 0; i < fast.Length; i++)
        {
            var (n, y, x) = (i / (height * width), i / width % height, i % width);
            var box = boxes[n];
            var inside = x >= box.X0 && x <= box.X1 && y >= box.Y0 && y <= box.Y1;
            var expected = inside ? Resized(n, y - box.Y0, x - box.X0, box.Height, box.Width) : 0;
            Assert.Equal(expected, fast[i], 1e-5); // positions of up to 44 cells in float32, values of up to one
        }

        PlacedBox Box()
        {
            var (x, y) = (random.Next(-5, width), random.Next(-5, height));
            return new PlacedBox(x, y, x + random.Next(width + 3), y + random.Next(height + 3));
        }

        float[] Paste(bool plain)
        {
            var output = full([12, 1, height, width], float.NaN);
            MaskPasteKernel.Run(TensorMemory.Address(masks), size, padding, boxes, TensorMemory.Address(output), (height, width), plain);
            return output.data<float>().ToArray();
        }

        double Cell(int n, int y, int x) =>
            y < padding || x < padding || y >= size + padding || x >= size + padding ? 0 : cells[(n * size + y - padding) * size + x - padding];

        double Resized(int n, int y, int x, int toHeight, int toWidth)
        {
            var sy = Math.Max((y + 0.5) * side / toHeight - 0.5, 0);
            var sx = Math.Max((x + 0.5) * side / toWidth - 0.5, 0);
            var (top, left) = (Math.Min((int)sy, side - 1), Math.Min((int)sx, side - 1));
            var (bottom, right) = (Math.Min(top + 1, side - 1), Math.Min(left + 1, side - 1));
            var (fy, fx) = (sy - top, sx - left);
            return (1 - fy) * ((1 - fx) * Cell(n, top, left) + fx * Cell(n, top, right)) + fy * ((1 - fx) * Cell(n, bottom, left) + fx * Cell(n, bottom, right));
        }
    }

    [Fact]
    public void A_box_outside_of_the_image_leaves_it_empty()
    {
        using var scope = NewDisposeScope();
        var boxes = tensor(new float[] { -40, -40, -10, -10, 60, 3, 80, 20, 5, -30, 9, -4 }).view(3, 4);
        var masks = ones(3, 1, 28, 28);
        Assert.Equal(0, MaskOps.PasteMasksInImage(masks, boxes, (30, 40)).max().item<float>());
        Assert.Equal(0, MaskOps.PasteComposed(masks, boxes, (30, 40), 1).max().item<float>());
    }

    [Fact]
    public void A_full_mask_fills_its_box_and_nothing_else()
    {
        using var scope = NewDisposeScope();
        var pasted = MaskOps.PasteMasksInImage(ones(1, 1, 28, 28), tensor(new float[] { 10, 6, 30, 26 }).view(1, 4), (40, 50), padding: 0)[0, 0];
        var expected = zeros(40, 50);
        expected[6..27, 10..31] = ones(21, 21); // both corners belong to the box
        Assert.InRange(RandomBoxes.LargestDifference(pasted, expected), 0, 1e-6);
    }

    [Fact]
    public void No_masks_paste_to_no_images()
    {
        using var scope = NewDisposeScope();
        Assert.Equal([0, 1, 8, 9], MaskOps.PasteMasksInImage(zeros(0, 1, 28, 28), zeros(0, 4), (8, 9)).shape);
        Assert.Equal([0, 28, 28], MaskOps.ProjectMasksOnBoxes(zeros(2, 8, 9), zeros(0, 4), zeros(0, ScalarType.Int64), 28).shape);
    }

    [Theory]
    [InlineData(ScalarType.Bool)]
    [InlineData(ScalarType.Byte)]
    [InlineData(ScalarType.Float32)]
    public void A_projected_mask_is_the_share_of_each_cell(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var masks = zeros([2, 20, 20], dtype);
        masks[1, TensorIndex.Ellipsis, 10..].fill_(1); // the right half of the second mask
        var boxes = tensor(new float[] { 0, 0, 20, 20, 12, 2, 18, 8 }).view(2, 4);
        var projected = MaskOps.ProjectMasksOnBoxes(masks, boxes, tensor(new long[] { 1, 1 }), 4);
        Assert.InRange(RandomBoxes.LargestDifference(projected[1], ones(4, 4)), 0, 1e-6);
        // Cell centres at integers: samples at 10, 11, … 14 are inside, those beyond 19 clamp to the border.
        Assert.InRange(RandomBoxes.LargestDifference(projected[0][0], tensor(new float[] { 0, 0.1f, 1, 1 })), 0, 1e-5);
    }

    [Fact]
    public void The_bits_do_not_depend_on_the_number_of_threads()
    {
        using var scope = NewDisposeScope();
        var boxes = RandomBoxes.Boxes(new Random(9), 30, 60, 50);
        var masks = rand(30, 1, 28, 28);
        var before = get_num_threads();
        try
        {
            set_num_threads(1);
            var one = MaskOps.PasteMasksInImage(masks, boxes, (50, 60)).data<float>().ToArray();
            set_num_threads(3);
            Assert.Equal(one, MaskOps.PasteMasksInImage(masks, boxes, (50, 60)).data<float>().ToArray());
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
        Assert.Throws<ArgumentException>(() => MaskOps.PasteMasksInImage(ones(2, 1, 28, 28), ones(3, 4), (9, 9)));
        Assert.Throws<ArgumentException>(() => MaskOps.PasteMasksInImage(ones(2, 1, 28, 27), ones(2, 4), (9, 9)));
        Assert.Throws<ArgumentException>(() => MaskOps.ProjectMasksOnBoxes(ones(2, 1, 9, 9), ones(2, 4), ones(2), 28));
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        using var scope = NewDisposeScope();
        var (masks, boxes) = (rand(4, 1, 28, 28), RandomBoxes.Boxes(new Random(1), 4, 20, 20));
        var (truth, matched) = (ones(4, 20, 20), arange(4));
        Leaks.AssertNone(() => MaskOps.PasteMasksInImage(masks, boxes, (20, 20)), expected: 1);
        Leaks.AssertNone(() => MaskOps.PasteComposed(masks, boxes, (20, 20), 1), expected: 1);
        Leaks.AssertNone(() => MaskOps.ProjectMasksOnBoxes(truth, boxes, matched, 28), expected: 1);
    }
}
