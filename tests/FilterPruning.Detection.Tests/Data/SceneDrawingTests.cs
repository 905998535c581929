using FilterPruning.Detection.Data;
using FilterPruning.Detection.Data.Scenes;

namespace FilterPruning.Detection.Tests.Data;

public class SceneDrawingTests
{
    [Fact]
    public void Directions_are_cosine_and_sine()
    {
        for (var i = -40; i <= 40; i++)
        {
            var turns = i * 0.0317;
            var (cos, sin) = Turn.Direction(turns);
            Assert.Equal(Math.Cos(2 * Math.PI * turns), cos, 1e-7);
            Assert.Equal(Math.Sin(2 * Math.PI * turns), sin, 1e-7);
        }
    }

    [Theory]
    [InlineData("ellipse")]
    [InlineData("triangle")]
    [InlineData("box")]
    [InlineData("star")]
    [InlineData("ring")]
    [InlineData("line")]
    public void Shapes_cover_their_area(string shape)
    {
        // With a centre uniform over a pixel the expected count of pixel centres inside is the area, exactly. One count deviates by far less than the perimeter's
        // root mean square of 0.3 a pixel would allow if its pixels were independent: √(300 · 0.09) ≈ 5.2; the mean of 100 thus by 0.52, five of which are 2.6.
        var random = new SplitMix64(1);
        var (sum, area) = (0.0, 0.0);
        for (var i = 0; i < 100; i++)
        {
            var (x, y, turns) = (50 + random.NextFloat(), 50 + random.NextFloat(), random.NextFloat());
            var (item, exact) = Make(shape, x, y, turns);
            (sum, area) = (sum + item.CountPixels(), exact);
        }

        Assert.InRange(sum / 100, area - 2.6, area + 2.6);
    }

    [Fact]
    public void Polygon_distances_are_those_of_a_box()
    {
        var box = new PolygonShape(ShapeKind.Box, 0, 0, 13, [12, 5, -12, 5, -12, -5, 12, -5]);
        foreach (var length in new[] { 1, 3, 7, 8, 9, 40 })
        {
            var row = new float[length];
            for (var y = -9.5f; y < 10; y++)
            {
                box.Row(-20.5f, y, row);
                for (var i = 0; i < length; i++)
                {
                    var (dx, dy) = (Math.Abs(i - 20.5) - 12, Math.Abs(y) - 5.0);
                    var expected = Math.Sqrt((Math.Max(dx, 0) * Math.Max(dx, 0)) + (Math.Max(dy, 0) * Math.Max(dy, 0))) + Math.Min(Math.Max(dx, dy), 0);
                    Assert.Equal(expected, row[i], 1e-4);
                }
            }
        }
    }

    [Fact]
    public void The_front_item_owns_a_pixel_and_what_is_kept_is_visible_enough()
    {
        var options = new ShapeScenesOptions { Width = 120, Height = 90, Occlusion = 1, Clutter = 8, MaxObjects = 12, MinObjects = 12 };
        var (owner, dropped, partly) = (new byte[120 * 90], 0, 0);
        for (var scene = 0; scene < 100; scene++)
        {
            var random = SplitMix64.ForItem(9, scene);
            var items = SceneLayout.Draw(ref random, options, owner);
            Assert.Equal(PaintersAlgorithm(items, options), owner);
            var objects = 0;
            for (var index = 0; index < items.Count; index++)
            {
                if (items[index].Label == 0)
                    continue;
                objects++;
                var (visible, all) = (owner.Count((byte)(index + 1)), items[index].CountPixels());
                Assert.InRange(visible, Math.Max(40, 0.3 * all), all);
                partly += visible < 0.9 * all ? 1 : 0;
            }

            dropped += objects is 0 or 12 ? 0 : 12 - objects;
        }

        // The rule has been put to work.
        Assert.True(dropped > 100 && partly > 100, $"{dropped} objects left out, {partly} partly hidden");
    }

    [Fact]
    public void The_noise_has_the_stated_deviation()
    {
        // At most σ = noise; the scene draws its own share of it. A grey scene without anything else: rounding adds 1/12 of a grey level squared.
        var options = new ShapeScenesOptions { Width = 256, Height = 256, Texture = 0, Lighting = 0, Blur = 0, Clutter = 0, EmptyProbability = 1, Noise = 0.02 };
        var largest = 0.0;
        for (var index = 0; index < 40; index++)
        {
            using var sample = ShapeScenes.Create(40, seed: 2, options).Load(index);
            largest = Math.Max(largest, sample.Image.flatten(1).std(1).max().item<float>());
        }

        // The largest of 40 uniform shares is above 0.8 but for a chance of 0.8^40 ≈ 1e-4, fixed by the seed.
        Assert.InRange(largest, 0.8 * 0.02, 1.03 * 0.02);
    }

    private static byte[] PaintersAlgorithm(List<SceneItem> items, ShapeScenesOptions options)
    {
        var painted = new byte[options.Width * options.Height];
        for (var index = 0; index < items.Count; index++)
        {
            var item = items[index];
            for (var i = 0; i < item.Distances.Length; i++)
            {
                var (x, y) = (item.Left + (i % item.Width), item.Top + (i / item.Width));
                if (item.Distances[i] < 0 && x >= 0 && y >= 0 && x < options.Width && y < options.Height)
                    painted[(y * options.Width) + x] = (byte)(index + 1);
            }
        }

        return painted;
    }

    private static (SceneItem Item, double Area) Make(string shape, float x, float y, float turns) => shape switch
    {
        "ellipse" => (new SceneItem(1, new CurvedShape(ShapeKind.Ellipse, x, y, 40, 0.7f, 0, turns)), Math.PI * 40 * 28),
        "ring" => (new SceneItem(5, new CurvedShape(ShapeKind.Ring, x, y, 30, 0.8f, 0.5f, turns)), Math.PI * 30 * 24 * 0.75),
        "line" => (new SceneItem(0, new CurvedShape(ShapeKind.Line, x, y, 30, 4, 0, turns)), (52 * 8) + (Math.PI * 16)),
        "triangle" => Polygon(x, y, turns, 40, [1, 0, -0.5, 0.8, -0.6, -0.7]),
        "box" => Polygon(x, y, turns, 40, [0.9, 0.4, -0.9, 0.4, -0.9, -0.4, 0.9, -0.4]),
        _ => Polygon(x, y, turns, 40, [.. Enumerable.Range(0, 10).SelectMany(i => new[] { (i % 2 == 0 ? 1 : 0.45) * Math.Cos(i * Math.PI / 5), (i % 2 == 0 ? 1 : 0.45) * Math.Sin(i * Math.PI / 5) })]),
    };

    private static (SceneItem Item, double Area) Polygon(float x, float y, float turns, double size, double[] unit)
    {
        var (vertices, area) = (new float[unit.Length], 0.0);
        for (var i = 0; i < unit.Length; i += 2)
        {
            var (cos, sin) = (size * Math.Cos(2 * Math.PI * turns), size * Math.Sin(2 * Math.PI * turns));
            vertices[i] = (float)((unit[i] * cos) - (unit[i + 1] * sin));
            vertices[i + 1] = (float)((unit[i] * sin) + (unit[i + 1] * cos));
            var next = (i + 2) % unit.Length;
            area += 0.5 * size * size * ((unit[i] * unit[next + 1]) - (unit[next] * unit[i + 1]));
        }

        return (new SceneItem(1, new PolygonShape(ShapeKind.Blob, x, y, (float)size, vertices)), area);
    }
}
