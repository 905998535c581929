namespace FilterPruning.Detection.Data.Scenes;

/// <summary>Draws a scene: layout, background, the items back to front, then light, blur and noise.</summary>
internal static class SceneRenderer
{
    /// <summary>Draws one scene from its generator onto a canvas of the options' size; its earlier content does not matter.</summary>
    /// <returns>The items back to front; <see cref="SceneCanvas.Owner"/> says which pixels show which.</returns>
    public static List<SceneItem> Render(SplitMix64 random, ShapeScenesOptions options, SceneCanvas canvas)
    {
        var items = SceneLayout.Draw(ref random, options, canvas.Owner);
        PaintBackground(ref random, canvas, options);
        var light = SceneLight.Draw(ref random, options);
        foreach (var item in items)
            ItemPainter.Paint(ref random, canvas, item, light, options);
        SceneFinish.Apply(ref random, canvas, light, options);
        return items;
    }

    /// <summary>Three fields, each along a colour direction of its own: wide clouds, fine clouds, and a pattern.</summary>
    private static void PaintBackground(ref SplitMix64 random, SceneCanvas canvas, ShapeScenesOptions options)
    {
        var texture = (float)options.Texture;
        var side = Math.Min(options.Width, options.Height);
        var field = canvas.Scratch;
        canvas.Fill(Rgb.Random(ref random, 0.1f, 0.9f));

        field.Clear();
        ValueNoise.Add(ref random, field, canvas.Width, side * random.Range(0.25f, 0.6f), 1);
        canvas.Add(field, Rgb.Random(ref random, -texture, texture));

        field.Clear();
        ValueNoise.Add(ref random, field, canvas.Width, side * random.Range(0.03f, 0.12f), 1);
        canvas.Add(field, Rgb.Random(ref random, -texture * 0.8f, texture * 0.8f));

        Pattern.Write(ref random, field, canvas.Width, side * 0.04f, side * 0.25f);
        canvas.Add(field, Rgb.Random(ref random, -texture * 0.6f, texture * 0.6f));
    }
}
