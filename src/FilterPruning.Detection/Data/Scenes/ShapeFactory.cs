namespace FilterPruning.Detection.Data.Scenes;

/// <summary>Draws the random proportions of an outline of a given kind.</summary>
internal static class ShapeFactory
{
    /// <summary>The reach of a kind's outline at nominal diameter 1, chosen so that the kinds cover like areas.</summary>
    public static float Reach(ShapeKind kind) => 0.5f * kind switch
    {
        ShapeKind.Triangle or ShapeKind.Star => 1.25f,
        ShapeKind.Box or ShapeKind.Ring or ShapeKind.Cross or ShapeKind.Arc or ShapeKind.Blob => 1.12f,
        _ => 1f,
    };

    /// <summary>Makes an outline at a place; size is its nominal diameter in pixels.</summary>
    public static SceneShape Create(ref SplitMix64 random, ShapeKind kind, float x, float y, float size)
    {
        var radius = size * Reach(kind);
        var turns = random.NextFloat();
        return kind switch
        {
            ShapeKind.Ellipse => new CurvedShape(kind, x, y, radius, random.Range(0.62f, 1f), 0, turns),
            ShapeKind.Ring => new CurvedShape(kind, x, y, radius, random.Range(0.75f, 1f), random.Range(0.42f, 0.64f), turns),
            ShapeKind.Arc => new CurvedShape(kind, x, y, radius, random.Range(0.75f, 1f), random.Range(0.42f, 0.64f), turns),
            ShapeKind.Crescent => new CurvedShape(kind, x, y, radius, random.Range(0.8f, 1f), random.Range(0.45f, 0.7f), turns),
            ShapeKind.Line => new CurvedShape(kind, x, y, radius, random.Range(0.7f, 2f), 0, turns),
            ShapeKind.Triangle => Polygon(kind, x, y, radius, turns, Triangle(ref random)),
            ShapeKind.Box => Polygon(kind, x, y, radius, turns, Box(ref random)),
            ShapeKind.Star => Polygon(kind, x, y, radius, turns, Spikes(5, random.Range(0.4f, 0.52f))),
            ShapeKind.Hexagon => Polygon(kind, x, y, radius, turns, Spikes(3, 1)),
            ShapeKind.Cross => Polygon(kind, x, y, radius, turns, Cross(random.Range(0.22f, 0.36f))),
            _ => Polygon(kind, x, y, radius, turns, Blob(ref random)),
        };
    }

    private static PolygonShape Polygon(ShapeKind kind, float x, float y, float radius, float turns, float[] unit)
    {
        var (cos, sin) = Turn.Direction(turns);
        for (var i = 0; i < unit.Length; i += 2)
        {
            var (u, v) = (unit[i] * radius, unit[i + 1] * radius);
            unit[i] = (u * cos) - (v * sin);
            unit[i + 1] = (u * sin) + (v * cos);
        }

        return new PolygonShape(kind, x, y, radius, unit);
    }

    /// <summary>Three points of the unit circle, far enough apart that no corner becomes a sliver.</summary>
    private static float[] Triangle(ref SplitMix64 random)
    {
        var points = new float[6];
        for (var i = 0; i < 3; i++)
            (points[2 * i], points[(2 * i) + 1]) = Turn.Direction((i / 3.0) + random.Range(-0.045f, 0.045f));
        return points;
    }

    private static float[] Box(ref SplitMix64 random)
    {
        var aspect = random.Range(0.5f, 1f);
        var half = 1 / MathF.Sqrt(1 + (aspect * aspect));
        var (w, h) = (half, half * aspect);
        return [w, h, -w, h, -w, -h, w, -h];
    }

    /// <summary>Points on the unit circle and on an inner one alternately.</summary>
    private static float[] Spikes(int spikes, float inner)
    {
        var points = new float[4 * spikes];
        for (var i = 0; i < 2 * spikes; i++)
        {
            var (cos, sin) = Turn.Direction(i / (2.0 * spikes));
            var reach = i % 2 == 0 ? 1 : inner;
            (points[2 * i], points[(2 * i) + 1]) = (reach * cos, reach * sin);
        }

        return points;
    }

    private static float[] Cross(float arm)
    {
        const float Tip = 0.94f;
        return
        [
            Tip, arm, arm, arm, arm, Tip, -arm, Tip, -arm, arm, -Tip, arm,
            -Tip, -arm, -arm, -arm, -arm, -Tip, arm, -Tip, arm, -arm, Tip, -arm,
        ];
    }

    /// <summary>A closed outline through seven random radii, smoothed in between.</summary>
    private static float[] Blob(ref SplitMix64 random)
    {
        const int Lobes = 7;
        const int Steps = 4;
        Span<float> reach = stackalloc float[Lobes];
        for (var i = 0; i < Lobes; i++)
            reach[i] = random.Range(0.4f, 1f);
        var points = new float[2 * Lobes * Steps];
        for (var i = 0; i < Lobes * Steps; i++)
        {
            var t = i % Steps / (float)Steps;
            t = t * t * (3 - (2 * t));
            var r = reach[i / Steps] + ((reach[((i / Steps) + 1) % Lobes] - reach[i / Steps]) * t);
            var (cos, sin) = Turn.Direction(i / (double)(Lobes * Steps));
            (points[2 * i], points[(2 * i) + 1]) = (r * cos, r * sin);
        }

        return points;
    }
}
