namespace FilterPruning.Detection.Data.Scenes;

/// <summary>An outline at a place, as a signed distance in pixels: negative inside, positive outside, near the edge within a few percent of the true distance.</summary>
internal abstract class SceneShape(ShapeKind kind, float centreX, float centreY, float radius)
{
    /// <summary>What it is.</summary>
    public ShapeKind Kind { get; } = kind;

    /// <summary>Centre in pixels; the centre of the top left pixel is (0.5, 0.5).</summary>
    public float CentreX { get; } = centreX;

    /// <inheritdoc cref="CentreX"/>
    public float CentreY { get; } = centreY;

    /// <summary>Everything lies within this distance of the centre, in pixels.</summary>
    public float Radius { get; } = radius;

    /// <summary>Writes the distances of a row of pixel centres.</summary>
    /// <param name="x">The first centre, relative to the shape's.</param>
    /// <param name="y">The row, relative to the shape's centre.</param>
    /// <param name="distances">One value a pixel, 1 pixel apart.</param>
    public abstract void Row(float x, float y, Span<float> distances);
}
