namespace FilterPruning.Detection.Ops;

/// <summary>
/// Chooses the pyramid level of a box by its size: <c>⌊k₀ + log₂(√area / s₀) + ε⌋</c>, clamped (Lin et al., Feature Pyramid Networks, 2017,
/// equation 1; <c>LevelMapper</c> of torchvision 0.14.1).
/// </summary>
/// <param name="MinLevel">The finest level there is, for instance 2 for a map at 1/4.</param>
/// <param name="MaxLevel">The coarsest level there is.</param>
/// <param name="CanonicalScale">s₀: the side of the box, in pixels, that belongs to the canonical level.</param>
/// <param name="CanonicalLevel">k₀.</param>
public sealed record LevelMapper(int MinLevel, int MaxLevel, int CanonicalScale = 224, int CanonicalLevel = 4)
{
    internal const float Epsilon = 1e-6f;

    /// <summary>The level of each box, counted from the finest: 0 … <see cref="MaxLevel"/> − <see cref="MinLevel"/>.</summary>
    /// <param name="boxes">Row-major <c>[n, stride]</c> with x1, y1, x2, y2 at the end of each row.</param>
    /// <param name="stride">Values per box, 4 or 5.</param>
    internal int[] Map(ReadOnlySpan<float> boxes, int stride)
    {
        var levels = new int[boxes.Length / stride];
        for (var i = 0; i < levels.Length; i++)
        {
            var box = boxes.Slice((i + 1) * stride - 4, 4);
            levels[i] = Level((box[2] - box[0]) * (box[3] - box[1]));
        }

        return levels;
    }

    private int Level(float area)
    {
        var level = MathF.Floor(CanonicalLevel + MathF.Log2(MathF.Sqrt(area) / CanonicalScale) + Epsilon);
        // A box that is no box (negative or undefined area) goes to the finest level.
        return float.IsNaN(level) ? 0 : (int)Math.Clamp(level, MinLevel, MaxLevel) - MinLevel;
    }
}
