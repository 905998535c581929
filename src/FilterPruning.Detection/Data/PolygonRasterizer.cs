namespace FilterPruning.Detection.Data;

/// <summary>
/// Turns a polygon into runs exactly as the COCO API does (<c>rleFrPoly</c> in <c>common/maskApi.c</c>), so that areas and IoUs agree to the last pixel.
/// The outline is walked on a grid five times finer than the pixels. Wherever it crosses the middle of a pixel column, that column switches at the
/// crossing's height, rounded up to a pixel. The sorted switches are the ends of the runs; two at one place cancel, which is the even-odd rule.
/// </summary>
internal static class PolygonRasterizer
{
    /// <summary>Coordinates beyond this are an error.</summary>
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

    // The points of an edge are computed along its longer side from its lower end, whichever way it is walked: so an edge shared by two polygons is the same points
    // in both. Casts truncate towards zero, also below it, as they do in the source. The walk itself is left out: only the steps at which the edge crosses the middle
    // of a column of the image matter, at most one for each column, however far outside the image the edge begins or ends.
    private static void WalkEdge((int X, int Y) from, (int X, int Y) to, int height, int width, List<int> switches)
    {
        int dx = Math.Abs(to.X - from.X), dy = Math.Abs(to.Y - from.Y);
        if (dx == 0)
            return; // a vertical edge crosses no column
        var (left, right) = (Math.Min(from.X, to.X), Math.Max(from.X, to.X));
        // the columns whose two fine steps 5k + 2 and 5k + 3 both lie on the edge
        var first = left <= Middle ? 0 : (left - Middle + Scale - 1) / Scale;
        var last = right <= Middle ? -1 : Math.Min((right - Middle - 1) / Scale, width - 1);
        if (dx >= dy)
        {
            var (start, end) = from.X > to.X ? (to, from) : (from, to);
            var slope = (double)(end.Y - start.Y) / dx;
            for (var column = first; column <= last; column++)
            {
                var t = (column * Scale) + Middle + 1 - start.X;
                var before = t == 1 ? start.Y : (int)(start.Y + slope * (t - 1) + 0.5);
                Cross(column, Math.Min(before, (int)(start.Y + slope * t + 0.5)), height, switches);
            }
        }
        else
        {
            var (start, end) = from.Y > to.Y ? (to, from) : (from, to);
            var slope = (double)(end.X - start.X) / dy;
            for (var column = first; column <= last; column++)
            {
                if (StepOver((column * Scale) + Middle, start.X, slope, dy) is { } t)
                    Cross(column, start.Y + t - 1, height, switches);
            }
        }
    }

    // The first step t = 1 … length after which (int)(start + slope · t + 0.5) is on the other side of the middle between x and x + 1; null where it stays on one side.
    private static int? StepOver(int x, int start, double slope, int length)
    {
        bool Over(int t) => slope > 0 ? (int)(start + slope * t + 0.5) > x : (int)(start + slope * t + 0.5) <= x;
        if (!Over(length))
            return null;
        var t = (int)Math.Clamp((x + 0.5 - start) / slope, 1, length);
        while (t > 1 && Over(t - 1))
            t--;
        while (!Over(t))
            t++;
        return t;
    }

    private static void Cross(int column, int fineY, int height, List<int> switches)
    {
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
