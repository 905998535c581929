using FilterPruning.Detection.Data;
using Detected = FilterPruning.Detection.Models.Detection;

namespace FilterPruning.Detection.Tests.Data;

public class DetectionOverlayTests
{
    private static readonly OverlayOptions Plain = new() { ShowLabels = false };
    private static readonly string[] Names = ["disk", "box"];
    private static readonly (int R, int G, int B) First = (230, 60, 50);
    private static readonly (int R, int G, int B) Second = (60, 130, 240);

    [Fact]
    public void Masks_boxes_and_the_rest_have_their_colours()
    {
        using var scope = NewDisposeScope();
        var picture = ImageFile.Decode(DetectionOverlay.Draw(Grey(40, 60), One(label: 1, score: 0.9f), Names, Plain));
        Assert.Equal([3, 40, 60], picture.shape);
        Assert.Equal((128, 128, 128), At(picture, 2, 2));

        // The frame of the box 10, 8 – 30, 28 is inside it, one pixel wide.
        foreach (var (y, x) in new[] { (8, 10), (8, 29), (27, 10), (27, 29), (15, 10), (8, 20) })
            Assert.Equal(First, At(picture, y, x));
        foreach (var (y, x) in new[] { (7, 20), (28, 20), (15, 9), (15, 30), (9, 11) })
            Assert.Equal((128, 128, 128), At(picture, y, x));

        // The mask 14, 12 – 26, 24: its outline in full, its inside by 45 parts of a hundred (115 of 256).
        Assert.Equal(First, At(picture, 12, 14));
        Assert.Equal(First, At(picture, 23, 25));
        Assert.Equal((Mixed(128, 230), Mixed(128, 60), Mixed(128, 50)), At(picture, 18, 20));
    }

    [Fact]
    public void Classes_have_their_colours_and_objects_of_a_single_class_have_their_own()
    {
        using var scope = NewDisposeScope();
        Assert.Equal(Second, At(ImageFile.Decode(DetectionOverlay.Draw(Grey(40, 60), One(label: 2, score: 0.9f), Names, Plain)), 8, 10));
        var two = new Detected(tensor(new float[,] { { 0, 0, 5, 5 }, { 10, 8, 30, 28 } }), tensor(new long[] { 1, 1 }), tensor(new[] { 0.9f, 0.8f }), zeros(2, 1, 40, 60));
        Assert.Equal(Second, At(ImageFile.Decode(DetectionOverlay.Draw(Grey(40, 60), two, ["person"], Plain)), 8, 10));
        Assert.Equal(First, At(ImageFile.Decode(DetectionOverlay.Draw(Grey(40, 60), two, Names, Plain)), 8, 10));
    }

    [Fact]
    public void Scores_below_the_threshold_are_not_drawn()
    {
        using var scope = NewDisposeScope();
        var picture = ImageFile.Decode(DetectionOverlay.Draw(Grey(40, 60), One(label: 1, score: 0.4f), Names));
        Assert.Equal(0, (picture - (128 / 255f)).abs().max().item<float>(), 1e-6);
    }

    [Fact]
    public void Labels_are_written_dot_by_dot()
    {
        using var scope = NewDisposeScope();
        var picture = ImageFile.Decode(DetectionOverlay.Draw(Grey(40, 80), One(label: 1, score: 0.9f, width: 80), ["HI", "box"], new OverlayOptions { MaskOpacity = 0 }));

        // "HI 0.90" does not fit above the box at y = 8: it lies at its top; the text begins one dot further in. White, on a dark colour.
        string[] expected = ["#...#..###.", "#...#...#..", "#...#...#..", "#####...#..", "#...#...#..", "#...#...#..", "#...#..###."];
        for (var y = 0; y < expected.Length; y++)
        {
            for (var x = 0; x < expected[y].Length; x++)
                Assert.Equal(expected[y][x] == '#' ? (255, 255, 255) : First, At(picture, 9 + y, 11 + x));
        }
    }

    [Fact]
    public void Zoom_enlarges_picture_boxes_and_masks_alike()
    {
        using var scope = NewDisposeScope();
        var picture = ImageFile.Decode(DetectionOverlay.Draw(Grey(40, 60), One(label: 1, score: 0.9f), Names, Plain with { Zoom = 3 }));
        Assert.Equal([3, 120, 180], picture.shape);
        Assert.Equal(First, At(picture, 24, 30));
        Assert.Equal((128, 128, 128), At(picture, 23, 30));
        Assert.Equal(First, At(picture, 36, 50));
        Assert.Equal((128, 128, 128), At(picture, 35, 50));
    }

    [Fact]
    public void Panels_stand_side_by_side_under_their_titles()
    {
        using var scope = NewDisposeScope();
        var panels = new[] { new OverlayPanel("before", Grey(40, 60), One(1, 0.9f)), new OverlayPanel("after, and a title that is too long", Grey(40, 60), One(2, 0.9f)) };
        var picture = ImageFile.Decode(DetectionOverlay.SideBySide(panels, Names, Plain));
        Assert.Equal([3, 40 + 12, 60 + 4 + 60], picture.shape);
        Assert.Equal(First, At(picture, 12 + 8, 10));
        Assert.Equal(Second, At(picture, 12 + 8, 64 + 10));
        Assert.Equal((255, 255, 255), At(picture, 30, 61));
        Assert.True(picture.narrow(1, 0, 12).min().item<float>() == 0, "no title");
        Assert.Throws<ArgumentException>(() => DetectionOverlay.SideBySide([], Names));
    }

    [Fact]
    public void The_truth_can_be_drawn_too()
    {
        using var scope = NewDisposeScope();
        var sample = ShapeScenes.Create(1, seed: 2).Load(0);
        using var truth = DetectionOverlay.FromTarget(sample.Target);
        Assert.Equal([truth.Count, 1, 160, 160], truth.Masks.shape);
        Assert.NotEmpty(DetectionOverlay.Draw(sample.Image, truth, ["a"]));
    }

    [Fact]
    public void Odd_boxes_and_labels_do_no_harm()
    {
        using var scope = NewDisposeScope();
        var odd = new Detected(
            tensor(new float[,] { { -50, -50, 500, 500 }, { 30, 20, 10, 5 }, { float.NaN, float.PositiveInfinity, float.NegativeInfinity, 1e30f } }),
            tensor(new long[] { 99, 1, 0 }), tensor(new[] { 1f, 0.9f, 0.8f }), zeros(3, 1, 40, 60));
        Assert.Equal([3, 40, 60], ImageFile.Decode(DetectionOverlay.Draw(Grey(40, 60), odd, ["größe"])).shape);
    }

    [Fact]
    public void Without_detections_the_image_stays_as_it_is()
    {
        using var scope = NewDisposeScope();
        var nothing = new Detected(zeros(0, 4), zeros([0], int64), zeros(0), zeros(0, 1, 40, 60));
        Assert.Equal(0, (ImageFile.Decode(DetectionOverlay.Draw(Grey(40, 60), nothing, Names)) - (128 / 255f)).abs().max().item<float>(), 1e-6);
    }

    [Fact]
    public void Masks_of_another_size_are_refused()
    {
        using var scope = NewDisposeScope();
        Assert.Contains("[1, 1, 40, 61]", Assert.Throws<ArgumentException>(() => DetectionOverlay.Draw(Grey(40, 61), One(1, 1), Names)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => DetectionOverlay.Draw(zeros(1, 40, 60), One(1, 1), Names));
        Assert.Throws<ArgumentException>(() => DetectionOverlay.Draw(Grey(40, 60), One(1, 1), Names, new OverlayOptions { Zoom = 0 }));
    }

    [Fact]
    public void Drawing_leaves_no_tensor_behind()
    {
        using var image = Grey(40, 60);
        using var detection = One(1, 0.9f);
        DetectionOverlay.Draw(image, detection, Names);
        var before = LiveTensors.Settled();
        DetectionOverlay.Draw(image, detection, Names, new OverlayOptions { Zoom = 2 });
        Assert.Equal(before, Tensor.TotalCount);
    }

    private static Tensor Grey(int height, int width) => full([3, height, width], 128 / 255f);

    private static Detected One(long label, float score, int width = 60)
    {
        var masks = zeros(1, 1, 40, width);
        using (var inside = masks.narrow(2, 12, 12).narrow(3, 14, 12))
            inside.fill_(0.9f);
        return new Detected(tensor(new float[,] { { 10, 8, 30, 28 } }), tensor(new[] { label }), tensor(new[] { score }), masks);
    }

    private static int Mixed(int under, int over) => under + ((((over - under) * 115) + 128) >> 8);

    private static (int R, int G, int B) At(Tensor picture, int y, int x) => (Value(picture, 0, y, x), Value(picture, 1, y, x), Value(picture, 2, y, x));

    private static int Value(Tensor picture, int channel, int y, int x) => (int)Math.Round(picture[channel, y, x].item<float>() * 255);
}
