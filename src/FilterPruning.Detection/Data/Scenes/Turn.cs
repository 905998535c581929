namespace FilterPruning.Detection.Data.Scenes;

/// <summary>Sine and cosine from additions and multiplications alone: the platform's own differ in the last bit from one C library to another, and scenes must not.</summary>
internal static class Turn
{
    /// <summary>The direction of an angle given in whole turns; both parts are exact to about 1e-12 before rounding to float.</summary>
    public static (float Cos, float Sin) Direction(double turns)
    {
        var quarters = turns * 4;
        var whole = Math.Floor(quarters + 0.5);
        var x = (quarters - whole) * (Math.PI / 2); // −π/4 … π/4
        var x2 = x * x;
        var sin = x * (1 + (x2 / -6 * (1 + (x2 / -20 * (1 + (x2 / -42 * (1 + (x2 / -72 * (1 + (x2 / -110 * (1 + (x2 / -156))))))))))));
        var cos = 1 + (x2 / -2 * (1 + (x2 / -12 * (1 + (x2 / -30 * (1 + (x2 / -56 * (1 + (x2 / -90 * (1 + (x2 / -132 * (1 + (x2 / -182)))))))))))));
        return ((long)whole & 3) switch
        {
            0 => ((float)cos, (float)sin),
            1 => ((float)-sin, (float)cos),
            2 => ((float)-cos, (float)-sin),
            _ => ((float)sin, (float)-cos),
        };
    }
}
