namespace FilterPruning.Detection.Data.Scenes;

/// <summary>Ellipses and what is cut from them: rings, arcs and crescents; and lines with round ends.</summary>
/// <param name="kind">What it is.</param>
/// <param name="centreX">Centre in pixels.</param>
/// <param name="centreY">Centre in pixels.</param>
/// <param name="radius">Half the long axis in pixels.</param>
/// <param name="aspect">Short axis ÷ long axis; for a line its half thickness in pixels.</param>
/// <param name="inner">Ring and arc: the hole's size ÷ the outer size. Crescent: how far the bite is shifted, in radii. Otherwise unused.</param>
/// <param name="turns">Rotation in whole turns.</param>
internal sealed class CurvedShape(ShapeKind kind, float centreX, float centreY, float radius, float aspect, float inner, float turns)
    : SceneShape(kind, centreX, centreY, radius)
{
    private readonly (float Cos, float Sin) _axis = Turn.Direction(turns);

    /// <inheritdoc/>
    public override void Row(float x, float y, Span<float> distances)
    {
        var (cos, sin) = _axis;
        for (var i = 0; i < distances.Length; i++)
        {
            // Into the shape's own axes.
            var u = ((x + i) * cos) + (y * sin);
            var v = (y * cos) - ((x + i) * sin);
            distances[i] = At(u, v);
        }
    }

    private float At(float u, float v)
    {
        if (Kind == ShapeKind.Line)
            return Capsule(u, v);
        var outer = Ellipse(u, v, Radius, Radius * aspect);
        return Kind switch
        {
            ShapeKind.Ring => Math.Max(outer, -Ellipse(u, v, Radius * inner, Radius * aspect * inner)),
            ShapeKind.Arc => Math.Max(Math.Max(outer, -Ellipse(u, v, Radius * inner, Radius * aspect * inner)), -Wedge(u, v)),
            ShapeKind.Crescent => Math.Max(outer, -Ellipse(u - (Radius * inner), v, Radius * 0.9f, Radius * aspect * 0.9f)),
            _ => outer,
        };
    }

    /// <summary>First-order distance of an ellipse: its implicit function over the length of its gradient.</summary>
    private static float Ellipse(float u, float v, float a, float b)
    {
        var (p, q) = (u / a, v / b);
        var value = MathF.Sqrt((p * p) + (q * q));
        if (value < 1e-6f)
            return -Math.Min(a, b);
        var (gp, gq) = (p / a, q / b);
        return value * (value - 1) / MathF.Sqrt((gp * gp) + (gq * gq));
    }

    /// <summary>The quarter between the diagonals on the positive side of the long axis: the gap of an arc.</summary>
    private static float Wedge(float u, float v) => (Math.Abs(v) - u) * 0.70710678f;

    private float Capsule(float u, float v)
    {
        var along = Math.Max(Math.Abs(u) - (Radius - aspect), 0);
        return MathF.Sqrt((along * along) + (v * v)) - aspect;
    }
}
