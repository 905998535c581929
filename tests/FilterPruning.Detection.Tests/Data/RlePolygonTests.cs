using System.Text.Json;
using CsCheck;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Tests.Evaluation;

namespace FilterPruning.Detection.Tests.Data;

public class RlePolygonTests
{
    // A pixel is decided at its middle, by an outline whose points were moved by at most 0.1 in x and in y (to fifths), and whose walk is rounded by at most 0.1 more
    // along each axis: 0.2·√2 in all. What is farther from the outline than this must be right.
    private const double OutlineError = 0.2 * 1.4142135623730951 + 1e-9;

    private static readonly Gen<(int Height, int Width, double[] Points)> Polygons =
        from height in Gen.Int[1, 30]
        from width in Gen.Int[1, 30]
        from points in Gen.Select(Gen.Double[-0.3 * 30, 1.3 * 30], Gen.Double[-0.3 * 30, 1.3 * 30]).Array[3, 8]
        from whole in Gen.Bool
        select (height, width, points.SelectMany(p => whole ? new[] { Math.Round(p.Item1), Math.Round(p.Item2) } : [p.Item1, p.Item2]).ToArray());

    [Fact]
    public void Polygons_are_those_of_the_reference_pixel_for_pixel()
    {
        using var golden = GoldenFile.Open("polygons.json");
        Assert.All(golden.RootElement.EnumerateArray(), entry =>
        {
            var polygons = entry.GetProperty("polygons").EnumerateArray().Select(polygon => polygon.EnumerateArray().Select(value => value.GetDouble()).ToArray()).ToArray();
            var mask = RleMask.FromPolygons(polygons, entry.GetProperty("height").GetInt32(), entry.GetProperty("width").GetInt32());
            Assert.Equal(entry.GetProperty("counts").GetString(), mask.ToCocoString());
        });
    }

    [Theory]
    [InlineData(0, 0, 5, 4, 20)] // all of the image
    [InlineData(1, 1, 3, 3, 4)]
    [InlineData(0, 0, 1, 1, 1)]
    [InlineData(-7, -9, 50, 40, 20)] // cut to the image
    [InlineData(2, 1, 5, 2, 3)]
    [InlineData(2, 1, 2, 3, 0)] // no width
    [InlineData(1.6, 1.6, 2.4, 2.4, 0)] // around a corner of four pixels, but no middle
    [InlineData(1.4, 1.4, 1.6, 1.6, 1)] // just around a middle
    [InlineData(6, 0, 9, 4, 0)] // beside the image
    public void Rectangles_hold_the_pixels_whose_middle_they_hold(double left, double top, double right, double bottom, int area)
    {
        var mask = RleMask.FromPolygons([[left, top, right, top, right, bottom, left, bottom]], 4, 5);
        Assert.Equal(area, mask.Area);
        var pixels = new byte[20];
        mask.Decode(pixels);
        for (var i = 0; i < pixels.Length; i++)
        {
            var (x, y) = (i % 5 + 0.5, i / 5 + 0.5);
            Assert.Equal(x > left && x < right && y > top && y < bottom, pixels[i] != 0);
        }
    }

    [Fact]
    public void A_right_triangle_is_a_stair()
    {
        // legs of 4: the middles of row y under the diagonal are those of columns 0 … 3 − y; on it the lower pixel of a column stays
        var mask = RleMask.FromPolygons([[0, 0, 4, 0, 0, 4]], 4, 4);
        var pixels = new byte[16];
        mask.Decode(pixels);
        Assert.Equal([1, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], Enumerable.Range(0, 16).Select(i => i % 4 + i / 4 == 3 ? 0 : pixels[i]));
    }

    [Fact]
    public void Every_pixel_away_from_the_outline_is_decided_by_the_even_odd_rule() => Polygons.Sample(polygon => CheckAgainstMiddles(polygon.Points, polygon.Height, polygon.Width));

    [Fact]
    public void Direction_and_first_point_do_not_matter() => Polygons.Sample(polygon =>
    {
        var mask = RleMask.FromPolygons([polygon.Points], polygon.Height, polygon.Width);
        var pairs = polygon.Points.Chunk(2).ToArray();
        Assert.Equal(mask, RleMask.FromPolygons([pairs.Reverse().SelectMany(p => p).ToArray()], polygon.Height, polygon.Width));
        Assert.Equal(mask, RleMask.FromPolygons([pairs.Skip(2).Concat(pairs.Take(2)).SelectMany(p => p).ToArray()], polygon.Height, polygon.Width));
    });

    [Fact]
    public void Several_polygons_are_united() => Gen.Select(Polygons, Polygons).Sample((a, b) =>
        RleMask.FromPolygons([a.Points, b.Points], a.Height, a.Width)
            .Equals(RleMask.FromPolygons([a.Points], a.Height, a.Width).Union(RleMask.FromPolygons([b.Points], a.Height, a.Width))));

    [Theory]
    [InlineData(new double[] { }, "has 0 values")]
    [InlineData(new[] { 1.0, 2, 3, 4 }, "has 4 values")]
    [InlineData(new[] { 1.0, 2, 3, 4, 5, 6, 7 }, "has 7 values")]
    [InlineData(new[] { 1.0, 2, 3, 4, 5, double.NaN }, "NaN")]
    [InlineData(new[] { 1.0, 2, 3, 4, 5, double.PositiveInfinity }, "Infinity")]
    [InlineData(new[] { 1.0, 2, 3, 4, 5, -1e7 }, "-10000000")]
    public void Bad_polygons_are_refused(double[] polygon, string message) =>
        Assert.Contains(message, Assert.Throws<ArgumentException>(() => RleMask.FromPolygons([polygon], 4, 5)).Message, StringComparison.Ordinal);

    [Fact]
    public void An_endless_outline_is_refused()
    {
        var zigzag = Enumerable.Range(0, 1000).SelectMany(i => new[] { i % 2 == 0 ? -1e6 : 1e6, i }).ToArray();
        Assert.Contains("longer than 20000000 pixels", Assert.Throws<ArgumentException>(() => RleMask.FromPolygons([zigzag], 4, 5)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Real_outlines_have_the_annotated_area()
    {
        var path = DevelopmentData.Path("coco_mini/annotations/instances.json");
        using var file = JsonDocument.Parse(File.ReadAllText(path));
        var sizes = file.RootElement.GetProperty("images").EnumerateArray().ToDictionary(image => image.GetProperty("id").GetInt64(), image => (image.GetProperty("height").GetInt32(), image.GetProperty("width").GetInt32()));
        var count = 0;
        foreach (var annotation in file.RootElement.GetProperty("annotations").EnumerateArray())
        {
            if (annotation.GetProperty("iscrowd").GetInt32() != 0)
                continue;
            var polygons = annotation.GetProperty("segmentation").EnumerateArray().Select(polygon => polygon.EnumerateArray().Select(value => value.GetDouble()).ToArray()).ToArray();
            var (height, width) = sizes[annotation.GetProperty("image_id").GetInt64()];
            if (count % 16 == 0) // slow: looks at every pixel with every edge
                CheckAgainstMiddles(polygons[0], height, width);
            // The annotated area is the polygon's own. A point that is inside one and not the other lies at most half a pixel's diagonal and the outline's error
            // from the outline; the points within d of a closed line of length p have an area of at most 2dp + πd².
            var distance = Math.Sqrt(0.5) + OutlineError;
            var bound = polygons.Sum(polygon => 2 * distance * Length(polygon) + Math.PI * distance * distance);
            Assert.Equal(annotation.GetProperty("area").GetDouble(), RleMask.FromPolygons(polygons, height, width).Area, bound);
            count++;
        }

        Assert.Equal(465, count);
    }

    private static void CheckAgainstMiddles(double[] points, int height, int width)
    {
        var mask = RleMask.FromPolygons([points], height, width);
        var pixels = new byte[height * width];
        mask.Decode(pixels);
        var (left, right) = Around(points.Where((_, i) => i % 2 == 0), width);
        var (top, bottom) = Around(points.Where((_, i) => i % 2 == 1), height);
        long near = 0;
        for (var y = top; y < bottom; y++)
        {
            for (var x = left; x < right; x++)
            {
                near += pixels[y * width + x];
                var (inside, distance) = Locate(points, x + 0.5, y + 0.5);
                if (distance > OutlineError && inside != (pixels[y * width + x] != 0))
                    Assert.Fail($"Pixel ({x}, {y}), {distance} from the outline, is {(inside ? "inside" : "outside")}, but the mask says otherwise.");
            }
        }

        Assert.Equal(near, mask.Area); // nothing farther away

        static (int From, int To) Around(IEnumerable<double> values, int size) =>
            ((int)Math.Clamp(values.Min() - 1, 0, size), (int)Math.Clamp(values.Max() + 2, 0, size));
    }

    /// <summary>Whether a ray from the point crosses the outline an odd number of times, and how far the outline is.</summary>
    private static (bool Inside, double Distance) Locate(double[] points, double x, double y)
    {
        var (inside, distance) = (false, double.MaxValue);
        for (var i = 0; i < points.Length; i += 2)
        {
            var (ax, ay) = (points[i], points[i + 1]);
            var (bx, by) = (points[(i + 2) % points.Length], points[(i + 3) % points.Length]);
            if (ay > y != by > y && x < ax + (y - ay) / (by - ay) * (bx - ax))
                inside = !inside;
            var (dx, dy) = (bx - ax, by - ay);
            var square = dx * dx + dy * dy;
            var t = square == 0 ? 0 : Math.Clamp(((x - ax) * dx + (y - ay) * dy) / square, 0, 1);
            distance = Math.Min(distance, Math.Sqrt(Math.Pow(ax + t * dx - x, 2) + Math.Pow(ay + t * dy - y, 2)));
        }

        return (inside, distance);
    }

    private static double Length(double[] points)
    {
        double length = 0;
        for (var i = 0; i < points.Length; i += 2)
            length += Math.Sqrt(Math.Pow(points[(i + 2) % points.Length] - points[i], 2) + Math.Pow(points[(i + 3) % points.Length] - points[i + 1], 2));
        return length;
    }
}
