namespace FilterPruning.Detection.Data.Scenes;

/// <summary>Which shapes a scene holds, where, and which hides which.</summary>
internal static class SceneLayout
{
    private const int Classes = 5;
    private const int Distractors = 6;

    /// <summary>Draws a layout: the items back to front, with the pixels each one covers visibly. Objects of which too little is visible are not among them.</summary>
    /// <param name="random">The scene's generator.</param>
    /// <param name="options">How to draw.</param>
    /// <param name="owner">Height × width, overwritten: 1 + the index in the result of the item that covers the pixel, 0 for the background.</param>
    public static List<SceneItem> Draw(ref SplitMix64 random, ShapeScenesOptions options, Span<byte> owner)
    {
        var items = PlaceObjects(ref random, options);
        AddDistractors(ref random, options, items);
        return KeepVisible(items, options, owner);
    }

    private static List<SceneItem> PlaceObjects(ref SplitMix64 random, ShapeScenesOptions options)
    {
        var items = new List<SceneItem>();
        var count = options.MinObjects + random.NextInt(options.MaxObjects - options.MinObjects + 1);
        if (random.Chance(options.EmptyProbability))
            return items;
        for (var i = 0; i < count; i++)
        {
            var label = 1 + random.NextInt(Classes);
            var kind = (ShapeKind)(label - 1);
            var size = Size(ref random, options, options.MinObjectScale);
            var (x, y) = Place(ref random, options, items, size * ShapeFactory.Reach(kind));
            items.Add(new SceneItem(label, ShapeFactory.Create(ref random, kind, x, y, size)));
        }

        return items;
    }

    /// <summary>A nominal diameter in pixels; the density falls with the size.</summary>
    private static float Size(ref SplitMix64 random, ShapeScenesOptions options, double minScale)
    {
        var side = Math.Min(options.Width, options.Height);
        var u = random.NextFloat();
        return (float)(minScale * side) + ((float)((options.MaxObjectScale - minScale) * side) * u * MathF.Sqrt(u));
    }

    private static (float X, float Y) Place(ref SplitMix64 random, ShapeScenesOptions options, List<SceneItem> others, float radius)
    {
        if (others.Count > 0 && random.Chance(options.Occlusion))
        {
            // At or onto a neighbour.
            var neighbour = others[random.NextInt(others.Count)].Shape;
            var distance = (neighbour.Radius + radius) * random.Range(0.5f, 1.05f);
            var (cos, sin) = Turn.Direction(random.NextFloat());
            return (Math.Clamp(neighbour.CentreX + (cos * distance), 0, options.Width), Math.Clamp(neighbour.CentreY + (sin * distance), 0, options.Height));
        }

        // Beside the others if some try finds room, else where there is most of it.
        var (best, bestX, bestY) = (float.MinValue, 0f, 0f);
        for (var attempt = 0; attempt < 12 && best < 1; attempt++)
        {
            var (x, y) = (Centre(ref random, options.Width, radius), Centre(ref random, options.Height, radius));
            var room = float.MaxValue;
            foreach (var other in others)
            {
                var (dx, dy) = (other.Shape.CentreX - x, other.Shape.CentreY - y);
                room = Math.Min(room, MathF.Sqrt((dx * dx) + (dy * dy)) - other.Shape.Radius - radius);
            }

            if (room > best)
                (best, bestX, bestY) = (room, x, y);
        }

        return (bestX, bestY);
    }

    /// <summary>A coordinate that leaves at least most of the shape in the picture.</summary>
    private static float Centre(ref SplitMix64 random, int length, float radius)
    {
        var margin = Math.Min(0.6f * radius, 0.4f * length);
        return random.Range(margin, length - margin);
    }

    /// <summary>Inserts shapes of no class, most of them behind the objects.</summary>
    private static void AddDistractors(ref SplitMix64 random, ShapeScenesOptions options, List<SceneItem> items)
    {
        var count = (int)((options.Clutter * 2 * random.NextFloat()) + 0.5);
        for (var i = 0; i < count; i++)
        {
            var kind = (ShapeKind)(Classes + random.NextInt(Distractors));
            // Not as small as objects can be: there a hexagon and a disk are the same few pixels.
            var size = Size(ref random, options, Math.Min(1.5 * options.MinObjectScale, options.MaxObjectScale));
            if (kind == ShapeKind.Line)
                size *= 2;
            var (x, y) = (random.Range(0, options.Width), random.Range(0, options.Height));
            var shape = ShapeFactory.Create(ref random, kind, x, y, size);
            var depth = random.Chance(options.Occlusion) ? random.NextInt(items.Count + 1) : 0;
            items.Insert(depth, new SceneItem(0, shape));
        }
    }

    /// <summary>From front to back: what covers a pixel first owns it; an object that owns too little is taken out, so that no part of it shows.</summary>
    private static List<SceneItem> KeepVisible(List<SceneItem> items, ShapeScenesOptions options, Span<byte> owner)
    {
        owner.Clear();
        var kept = new List<SceneItem>(items.Count);
        for (var index = items.Count - 1; index >= 0; index--)
        {
            var item = items[index];
            var mark = (byte)(kept.Count + 1);
            var visible = Claim(item, options, owner, mark, write: false);
            if (item.Label != 0 && (visible < options.MinVisiblePixels || visible < options.MinVisibleFraction * item.CountPixels()))
                continue;
            Claim(item, options, owner, mark, write: true);
            kept.Add(item);
        }

        kept.Reverse();
        foreach (ref var mark in owner)
            mark = mark == 0 ? mark : (byte)(kept.Count + 1 - mark);
        return kept;
    }

    private static int Claim(SceneItem item, ShapeScenesOptions options, Span<byte> owner, byte mark, bool write)
    {
        var count = 0;
        var (x0, y0, x1, y1) = item.Clip(options.Width, options.Height);
        for (var y = y0; y < y1; y++)
        {
            var distances = item.Row(y);
            var line = owner.Slice((item.Top + y) * options.Width, options.Width);
            for (var x = x0; x < x1; x++)
            {
                if (distances[x] >= 0 || line[item.Left + x] != 0)
                    continue;
                count++;
                if (write)
                    line[item.Left + x] = mark;
            }
        }

        return count;
    }
}
