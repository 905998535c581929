namespace FilterPruning.Detection.Data.Scenes;

/// <summary>The light of a scene: where it comes from, and how strong shadows and shading are.</summary>
/// <param name="X">Unit direction from the light, to the right.</param>
/// <param name="Y">Unit direction from the light, downwards.</param>
/// <param name="FallOff">How much darker the far side of the picture is, 0 … 1.</param>
/// <param name="Shadow">Depth of the shadows, 0 … 1; 0 for no shadows.</param>
/// <param name="Shading">How much lighter the lit side of a shape is than its far side, 0 … 1.</param>
internal readonly record struct SceneLight(float X, float Y, float FallOff, float Shadow, float Shading)
{
    /// <summary>Draws a light.</summary>
    public static SceneLight Draw(ref SplitMix64 random, ShapeScenesOptions options)
    {
        var (x, y) = Turn.Direction(random.NextFloat());
        var strength = (float)options.Lighting;
        var fallOff = strength * random.NextFloat();
        var shadow = random.Chance(0.75) ? strength * random.Range(0.4f, 1.2f) : 0;
        return new SceneLight(x, y, fallOff, Math.Min(shadow, 1), strength * random.NextFloat());
    }
}
