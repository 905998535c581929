namespace FilterPruning.Detection.Data;

/// <summary>
/// Turns a polygon into runs exactly as the COCO API does (<c>rleFrPoly</c> in <c>common/maskApi.c</c>), so that areas and IoUs agree to the last pixel.
/// The outline is walked on a grid five times finer than the pixels. Wherever it crosses the middle of a pixel column, that column switches at the
/// crossing's height, rounded up to a pixel. The sorted switches are the ends of the runs; two at one place cancel, which is the even-odd rule.
/// </summary>
internal static class PolygonRasterizer
{
    /// <summary>Coordinates beyond this are an error: the walk's length grows with them.</summary>
    internal const double MaximumCoordinate = 1_000_000;

    /// <summary>The longest outline in pixels, each edge measured along its longer side.</summary>
    private const double MaximumLength = 20_000_000;

    private const int Scale = 5;

    /// <summary>A column's middle lies between steps 5k + 2 and 5k + 3 of the fine grid.</summary>
    private const int Middle = 2;

    /// <summary>The runs of one polygon on an image, beginning with zeros.</summary>
    /// <param name="polygon">x and y in turn, in pixels; the outline closes itself.</param>
    /// <param name="height">Height of the image.</param>
    /// <param name="width">Width of the image.</param>
    /// <exception cref="ArgumentException">Fewer than three points, an odd number of values, a value that is not finite or far too large.</exception>
    public static uint[] Rasterize(ReadOnlySpan<double> polygon, int height, int width)
    {
        Check(polygon);
        var switches = new List<int>();
        var from = Upsample(polygon, polygon.Length / 2 - 1);
        for (var i = 0; i < polygon.Length / 2; i++)
        {
            var to = Upsample(polygon, i);
            WalkEdge(from, to, height, width, switches);
            from = to;
        }

        return ToRuns(switches, height * width);
    }

    // The points of an edge are computed along its longer side from its lower end, whichever way it is walked: so an edge
    // shared by two polygons is the same points in both. Casts truncate towards zero, also below it, as they do in the source.
    private static void WalkEdge((int X, int Y) from, (int X, int Y) to, int height, int width, List<int> switches)
    {
        int dx = Math.Abs(to.X - from.X), dy = Math.Abs(to.Y - from.Y);
        if (dx == 0)
            return; // a vertical edge crosses no column
        var alongX = dx >= dy;
        var (start, end) = (alongX ? from.X > to.X : from.Y > to.Y) ? (to, from) : (from, to);
        var slope = alongX ? (double)(end.Y - start.Y) / dx : (double)(end.X - start.X) / dy;
        var length = alongX ? dx : dy;
        int lastX = start.X, lastY = start.Y;
        for (var t = 1; t <= length; t++)
        {
            var (x, y) = alongX
                ? (start.X + t, (int)(start.Y + slope * t + 0.5))
                : ((int)(start.X + slope * t + 0.5), start.Y + t);
            if (x != lastX)
                Cross(Math.Min(x, lastX), Math.Min(y, lastY), height, width, switches);
            (lastX, lastY) = (x, y);
        }
    }

    private static void Cross(int fineX, int fineY, int height, int width, List<int> switches)
    {
        if (fineX < 0 || fineX % Scale != Middle)
            return;
        var column = fineX / Scale;
        if (column >= width)
            return;
        // ceil((fineY + 0.5) / 5 − 0.5), kept on the image; a switch below the last row is one at the top of the next column
        var row = Math.Clamp((fineY + Middle) / Scale, 0, height);
        switches.Add(column * height + row);
    }

    private static uint[] ToRuns(List<int> switches, int pixels)
    {
        switches.Sort();
        var runs = new List<uint>(switches.Count + 1);
        var end = 0;
        for (var i = 0; i < switches.Count && switches[i] < pixels; i++)
        {
            if (i + 1 < switches.Count && switches[i + 1] == switches[i])
            {
                i++; // switched and switched back
                continue;
            }

            runs.Add((uint)(switches[i] - end));
            end = switches[i];
        }

        runs.Add((uint)(pixels - end));
        return [.. runs];
    }

    private static (int X, int Y) Upsample(ReadOnlySpan<double> polygon, int point) =>
        ((int)(Scale * polygon[2 * point] + 0.5), (int)(Scale * polygon[2 * point + 1] + 0.5));

    private static void Check(ReadOnlySpan<double> polygon)
    {
        if (polygon.Length < 6 || polygon.Length % 2 != 0)
            throw new ArgumentException($"A polygon needs x and y of at least three points, but this one has {polygon.Length} values.", nameof(polygon));
        foreach (var value in polygon)
        {
            if (!(Math.Abs(value) <= MaximumCoordinate))
                throw new ArgumentException($"A polygon's coordinates must be numbers within ±{MaximumCoordinate} pixels, but one is {value}.", nameof(polygon));
        }

        double length = 0;
        for (int i = 0, last = polygon.Length - 2; i < polygon.Length; last = i, i += 2)
            length += Math.Max(Math.Abs(polygon[i] - polygon[last]), Math.Abs(polygon[i + 1] - polygon[last + 1]));
        if (length > MaximumLength)
            throw new ArgumentException($"The outline of this polygon of {polygon.Length / 2} points is longer than {MaximumLength} pixels. Its coordinates must be pixels; remove it if it is damaged.", nameof(polygon));
    }
}
