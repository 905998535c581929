using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Onnx;

/// <summary>
/// <see cref="MaskOps.PasteMasksInImage"/> as a graph, all masks at once. Resizing bilinearly is a product with a matrix on each side, whose entries are tent functions of the distance between a pixel's
/// place in the mask and a cell. The ring of zeros around a mask and everything outside of its box need no case of their own: all tents are zero there.
/// </summary>
internal static class PasteWriter
{
    private const long Padding = 1;

    /// <summary>Boxes at the image's scale.</summary>
    public static Value ScaleBoxes(Value boxes, ImageSizes sizes) => boxes * (ImageSizes.Corners(sizes.Given) / ImageSizes.Corners(sizes.Resized));

    /// <summary>Pastes.</summary>
    /// <param name="masks">Probabilities <c>[D, M, M]</c>.</param>
    /// <param name="boxes"><c>[D, 4]</c> at the image's scale.</param>
    /// <param name="size">The image's height and width, int64 <c>[2]</c>.</param>
    /// <param name="cells">M.</param>
    /// <returns><c>[D, 1, H, W]</c>.</returns>
    public static Value Paste(Value masks, Value boxes, Value size, long cells)
    {
        var graph = masks.Graph;
        var scale = (float)((double)(cells + 2 * Padding) / cells);
        var (from, to) = (boxes.Slice(1, 0, 2), boxes.Slice(1, 2, 4)); // [D, 2]
        var half = (to - from) * 0.5f * scale;
        var centre = (to + from) * 0.5f;
        var (first, last) = ((centre - half).ToInt(), (centre + half).ToInt()); // whole pixels, toward zero
        var length = (last - first + 1L).Max(graph.Scalar(1L));
        var across = Tents(first.At(1, 0), length.At(1, 0), size.Gather(graph.Scalar(1L)), cells); // [D, W, M]
        var down = Tents(first.At(1, 1), length.At(1, 1), size.Gather(graph.Scalar(0L)), cells); // [D, H, M]
        var rows = graph.Node("MatMul", [down, masks]); // [D, H, M]
        return graph.Node("MatMul", [rows, across.Transpose(0, 2, 1)]).Unsqueeze(1); // [D, 1, H, W]
    }

    // The weight of each cell for each pixel of an axis, [D, pixels, cells].
    private static Value Tents(Value first, Value length, Value pixels, long cells)
    {
        var graph = first.Graph;
        var pixel = graph.Node("Range", [graph.Scalar(0L), pixels, graph.Scalar(1L)]); // [pixels]
        var inBox = (pixel.Unsqueeze(0) - first).ToFloat() + 0.5f; // [D, pixels]
        var place = graph.Scalar((float)(cells + 2 * Padding)) / length.ToFloat() * inBox - 0.5f;
        var cell = graph.Vector([.. Enumerable.Range(0, (int)cells).Select(i => (float)(i + Padding))]);
        return (graph.Scalar(1f) - (place.Unsqueeze(2) - cell).Apply("Abs")).Max(graph.Scalar(0f));
    }
}
