namespace FilterPruning.Detection.Data.Scenes;

/// <summary>Smooth random fields: random values on a lattice, with a smooth step between neighbours.</summary>
internal static class ValueNoise
{
    /// <summary>Adds a field of the range −amplitude … amplitude to a row-major image.</summary>
    /// <param name="random">Where the lattice's values come from.</param>
    /// <param name="field">width × height values.</param>
    /// <param name="width">Pixels in a row.</param>
    /// <param name="period">Pixels from one lattice point to the next, 1 or more.</param>
    /// <param name="amplitude">Largest change.</param>
    public static void Add(ref SplitMix64 random, Span<float> field, int width, float period, float amplitude)
    {
        var height = field.Length / width;
        var (columns, rows) = ((int)(width / period) + 2, (int)(height / period) + 2);
        Span<float> lattice = columns * rows <= 1024 ? stackalloc float[columns * rows] : new float[columns * rows];
        foreach (ref var value in lattice)
            value = random.Range(-amplitude, amplitude);

        // Column positions and weights are the same for all rows.
        Span<float> weights = width <= 1024 ? stackalloc float[width] : new float[width];
        Span<int> cells = width <= 1024 ? stackalloc int[width] : new int[width];
        for (var x = 0; x < width; x++)
            weights[x] = Split(x / period, out cells[x]);

        Span<float> blended = columns <= 1024 ? stackalloc float[columns] : new float[columns];
        for (var y = 0; y < height; y++)
        {
            var t = Split(y / period, out var row);
            var upper = lattice.Slice(row * columns, columns);
            var lower = lattice.Slice((row + 1) * columns, columns);
            for (var c = 0; c < columns; c++)
                blended[c] = upper[c] + ((lower[c] - upper[c]) * t);
            var line = field.Slice(y * width, width);
            for (var x = 0; x < line.Length; x++)
            {
                var left = blended[cells[x]];
                line[x] += left + ((blended[cells[x] + 1] - left) * weights[x]);
            }
        }
    }

    /// <summary>The lattice cell of a position, and the smooth step within it.</summary>
    private static float Split(float position, out int cell)
    {
        cell = (int)position;
        var t = position - cell;
        return t * t * (3 - (2 * t));
    }
}
