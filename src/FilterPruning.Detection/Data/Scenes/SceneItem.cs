namespace FilterPruning.Detection.Data.Scenes;

/// <summary>A shape in a scene, with its distances over the rectangle it can touch.</summary>
internal sealed class SceneItem
{
    /// <summary>The rectangle reaches this far beyond the shape, for soft edges and shadows; whole pixels.</summary>
    public const int Margin = 6;

    private readonly float[] _distances;

    /// <summary>Rasterises a shape.</summary>
    /// <param name="label">1 … 5, or 0 for a distractor.</param>
    /// <param name="shape">The outline.</param>
    public SceneItem(int label, SceneShape shape)
    {
        (Label, Shape) = (label, shape);
        var reach = shape.Radius + Margin;
        Left = (int)MathF.Floor(shape.CentreX - reach);
        Top = (int)MathF.Floor(shape.CentreY - reach);
        Width = (int)MathF.Floor(shape.CentreX + reach) + 1 - Left;
        Height = (int)MathF.Floor(shape.CentreY + reach) + 1 - Top;
        _distances = new float[Width * Height];
        for (var y = 0; y < Height; y++)
            shape.Row(Left + 0.5f - shape.CentreX, Top + y + 0.5f - shape.CentreY, _distances.AsSpan(y * Width, Width));
    }

    /// <summary>1 … 5, or 0 for a distractor.</summary>
    public int Label { get; }

    /// <summary>The outline.</summary>
    public SceneShape Shape { get; }

    /// <summary>First column of the rectangle; may lie outside the image, as may the others.</summary>
    public int Left { get; }

    /// <summary>First row of the rectangle.</summary>
    public int Top { get; }

    /// <summary>Columns of the rectangle.</summary>
    public int Width { get; }

    /// <summary>Rows of the rectangle.</summary>
    public int Height { get; }

    /// <summary>Signed distances of the rectangle's pixel centres, row-major. A pixel belongs to the shape when its distance is below 0.</summary>
    public ReadOnlySpan<float> Distances => _distances;

    /// <summary>The distances of one row of the rectangle.</summary>
    public ReadOnlySpan<float> Row(int y) => _distances.AsSpan(y * Width, Width);

    /// <summary>The pixels of the shape, those outside the image too.</summary>
    public int CountPixels()
    {
        var count = 0;
        foreach (var distance in _distances)
            count += distance < 0 ? 1 : 0;
        return count;
    }

    /// <summary>The part of the rectangle inside an image, relative to the rectangle: first and one past the last column and row.</summary>
    public (int X0, int Y0, int X1, int Y1) Clip(int imageWidth, int imageHeight) =>
        (Math.Max(0, -Left), Math.Max(0, -Top), Math.Min(Width, imageWidth - Left), Math.Min(Height, imageHeight - Top));
}
