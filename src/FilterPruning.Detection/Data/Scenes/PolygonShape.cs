using System.Numerics;

namespace FilterPruning.Detection.Data.Scenes;

/// <summary>A simple polygon, convex or not.</summary>
/// <param name="kind">What it is.</param>
/// <param name="centreX">Centre in pixels.</param>
/// <param name="centreY">Centre in pixels.</param>
/// <param name="radius">Reach of the vertices.</param>
/// <param name="vertices">x, y alternately, relative to the centre, in pixels.</param>
internal sealed class PolygonShape(ShapeKind kind, float centreX, float centreY, float radius, float[] vertices)
    : SceneShape(kind, centreX, centreY, radius)
{
    /// <inheritdoc/>
    public override void Row(float x, float y, Span<float> distances)
    {
        var step = Vector<float>.Count;
        Span<float> lanes = stackalloc float[step];
        for (var i = 0; i < distances.Length; i += step)
        {
            // One lane a pixel; the last block may hang over the end and is copied in part.
            var block = Block(Vector.Create(x + i) + Vector<float>.Indices, y);
            if (i + step <= distances.Length)
            {
                block.CopyTo(distances[i..]);
            }
            else
            {
                block.CopyTo(lanes);
                lanes[..(distances.Length - i)].CopyTo(distances[i..]);
            }
        }
    }

    private Vector<float> Block(Vector<float> px, float py)
    {
        var nearest = Vector.Create(float.MaxValue);
        var inside = Vector<int>.Zero;
        var (bx, by) = (vertices[^2], vertices[^1]);
        for (var v = 0; v < vertices.Length; v += 2)
        {
            var (ax, ay) = (bx, by);
            (bx, by) = (vertices[v], vertices[v + 1]);
            var (ex, ey) = (bx - ax, by - ay);
            var scale = 1f / ((ex * ex) + (ey * ey));
            var (qx, qy) = (px - Vector.Create(ax), py - ay);

            // The nearest point of the edge.
            var t = ((qx * ex) + Vector.Create(qy * ey)) * scale;
            t = Vector.Min(Vector.Max(t, Vector<float>.Zero), Vector<float>.One);
            var (dx, dy) = (qx - (t * ex), Vector.Create(qy) - (t * ey));
            nearest = Vector.Min(nearest, (dx * dx) + (dy * dy));

            // A ray to the right crosses the edge: flip (the rule that counts each vertex once).
            if (ay > py != by > py)
            {
                var crossing = Vector.Create(ex * (qy / ey));
                inside ^= Vector.LessThan(qx, crossing);
            }
        }

        var distance = Vector.SquareRoot(nearest);
        return Vector.ConditionalSelect(inside, -distance, distance);
    }
}
