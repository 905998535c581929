using System.Runtime.InteropServices;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Training;

/// <summary>
/// Enlarges or shrinks what is on an image while the image keeps its size (Ghiasi et al. 2021, "large scale jittering"). Resizing alone would change nothing: the model brings every image
/// back to its own size.
/// </summary>
internal static class ScaleJitter
{
    /// <summary>Objects of which a crop leaves less than this share of their pixels are left out.</summary>
    private const double LeastVisible = 0.25;

    /// <summary>Scales a sample and cuts a window of the old size out of it, or puts it on a canvas of the old size in the image's mean colour.</summary>
    /// <param name="sample">What to change; left alone.</param>
    /// <param name="factor">New ÷ old size, above 0.</param>
    /// <param name="x">0 … 1: from the leftmost possible place to the rightmost.</param>
    /// <param name="y">0 … 1: from the topmost possible place to the lowest.</param>
    /// <returns>A new sample, the caller's.</returns>
    public static DetectionSample Apply(DetectionSample sample, double factor, double x, double y)
    {
        using var scope = NewDisposeScope();
        long height = sample.Image.shape[1], width = sample.Image.shape[2];
        DetectionSample scaled = DetectionTransforms.Scale(sample, factor);
        long newHeight = scaled.Image.shape[1], newWidth = scaled.Image.shape[2];
        var horizontal = new Placement(newWidth, width, x);
        var vertical = new Placement(newHeight, height, y);

        Tensor image = sample.Image.mean([1, 2], keepdim: true).expand(3, height, width).clone();
        Window(image, vertical.To, horizontal.To, vertical.Length, horizontal.Length).copy_(Window(scaled.Image, vertical.From, horizontal.From, vertical.Length, horizontal.Length));
        Tensor masks = zeros([scaled.Target.Masks.shape[0], height, width], uint8);
        Window(masks, vertical.To, horizontal.To, vertical.Length, horizontal.Length).copy_(Window(scaled.Target.Masks, vertical.From, horizontal.From, vertical.Length, horizontal.Length));

        Tensor visible = masks.sum([1, 2], type: ScalarType.Float32), whole = scaled.Target.Masks.sum([1, 2], type: ScalarType.Float32);
        Tensor kept = (visible > 0).logical_and(visible >= LeastVisible * whole).nonzero().squeeze(1);
        masks = masks.index_select(0, kept);
        var target = new Target(
            Boxes(scaled.Target.Boxes.index_select(0, kept), masks, horizontal, vertical).MoveToOuterDisposeScope(),
            scaled.Target.Labels.index_select(0, kept).MoveToOuterDisposeScope(),
            masks.MoveToOuterDisposeScope());
        scaled.Dispose();
        return new DetectionSample(sample.ImageId, image.MoveToOuterDisposeScope(), target);
    }

    private static Tensor Window(Tensor planes, long top, long left, long height, long width) => planes.narrow(1, top, height).narrow(2, left, width);

    /// <summary>The scaled boxes moved into the window; a box that the window cuts is drawn anew around what is left of its mask.</summary>
    private static Tensor Boxes(Tensor scaled, Tensor masks, Placement horizontal, Placement vertical)
    {
        int count = (int)masks.shape[0];
        Tensor moved = scaled + tensor(new float[] { horizontal.Offset, vertical.Offset, horizontal.Offset, vertical.Offset });
        if (count == 0)
            return moved;

        Span<float> boxes = MemoryMarshal.Cast<byte, float>(moved.bytes);
        var tight = new float[4 * count];
        int height = (int)masks.shape[1], width = (int)masks.shape[2];
        MaskBoxes.Write(masks.bytes, count, height, width, tight);
        for (int i = 0; i < count; i++)
        {
            Span<float> box = boxes.Slice(4 * i, 4);
            if (box[0] < 0 || box[1] < 0 || box[2] > width || box[3] > height)
                tight.AsSpan(4 * i, 4).CopyTo(box);
        }
        return moved;
    }

    /// <summary>Along one side: which part of the scaled image comes to lie where.</summary>
    private readonly struct Placement(long scaled, long old, double place)
    {
        /// <summary>Pixels that are taken over.</summary>
        public long Length { get; } = Math.Min(scaled, old);

        /// <summary>The first one in the scaled image.</summary>
        public long From { get; } = Place(scaled - old, place);

        /// <summary>Where it goes.</summary>
        public long To { get; } = Place(old - scaled, place);

        /// <summary>What to add to a coordinate.</summary>
        public float Offset => To - From;

        private static long Place(long room, double place) => room <= 0 ? 0 : Math.Min(room, (long)(place * (room + 1)));
    }
}
