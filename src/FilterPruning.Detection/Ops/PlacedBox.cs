namespace FilterPruning.Detection.Ops;

/// <summary>A box in whole pixels; both corners belong to it.</summary>
internal readonly record struct PlacedBox(int X0, int Y0, int X1, int Y1)
{
    public int Width => Size(X0, X1);

    public int Height => Size(Y0, Y1);

    /// <summary>The part inside the image as half-open ranges; empty ranges where nothing is.</summary>
    public (int X0, int Y0, int X1, int Y1) Visible((int Height, int Width) image) =>
        (Math.Max(X0, 0), Math.Max(Y0, 0), (int)Math.Min(X1 + 1L, image.Width), (int)Math.Min(Y1 + 1L, image.Height));

    private static int Size(int from, int to) => (int)Math.Clamp((long)to - from + 1, 1, int.MaxValue);
}
