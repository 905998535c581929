namespace FilterPruning.Detection.Data;

/// <summary>Boxes around masks: left and top are the first pixel's index, right and bottom the last one's plus 1, so that width and height count pixels.</summary>
internal static class MaskBoxes
{
    /// <summary>Writes x1, y1, x2, y2 of each of <paramref name="count"/> masks of height × width bytes (0: outside). An empty mask gives four zeros.</summary>
    public static void Write(ReadOnlySpan<byte> masks, int count, int height, int width, Span<float> boxes)
    {
        for (var index = 0; index < count; index++)
        {
            var (left, top, right, bottom) = Bounds(masks.Slice(index * height * width, height * width), width);
            boxes[4 * index] = left;
            boxes[(4 * index) + 1] = top;
            boxes[(4 * index) + 2] = right;
            boxes[(4 * index) + 3] = bottom;
        }
    }

    private static (int Left, int Top, int Right, int Bottom) Bounds(ReadOnlySpan<byte> mask, int width)
    {
        var first = mask.IndexOfAnyExcept((byte)0);
        if (first < 0)
            return (0, 0, 0, 0);
        var (top, bottom) = (first / width, (mask.LastIndexOfAnyExcept((byte)0) / width) + 1);
        var (left, right) = (width, 0);
        for (var y = top; y < bottom; y++)
        {
            var row = mask.Slice(y * width, width);
            var start = row.IndexOfAnyExcept((byte)0);
            if (start < 0)
                continue;
            left = Math.Min(left, start);
            right = Math.Max(right, row.LastIndexOfAnyExcept((byte)0) + 1);
        }

        return (left, top, right, bottom);
    }
}
