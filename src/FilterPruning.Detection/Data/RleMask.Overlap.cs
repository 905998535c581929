namespace FilterPruning.Detection.Data;

// Set operations, straight on the runs.
public sealed partial class RleMask
{
    /// <summary>The number of pixels inside both masks.</summary>
    /// <exception cref="ArgumentException">The masks are of different sizes.</exception>
    public long Intersection(RleMask other)
    {
        CheckSameSize(other, nameof(other));
        ReadOnlySpan<uint> a = _counts, b = other._counts;
        int i = 0, j = 0;
        long endA = a[0], endB = b[0], at = 0, common = 0;
        while (true)
        {
            var end = Math.Min(endA, endB);
            if ((i & j & 1) != 0)
                common += end - at;
            at = end;
            // both lists of runs end at the same pixel, so the first that is used up has seen everything the two can share
            if (endA == end)
            {
                if (++i == a.Length)
                    return common;
                endA += a[i];
            }
            else
            {
                if (++j == b.Length)
                    return common;
                endB += b[j];
            }
        }
    }

    /// <summary>Intersection over union of this mask, a detection, with a ground truth.</summary>
    /// <param name="other">The ground truth, of the same size.</param>
    /// <param name="crowd">Whether the ground truth is a crowd: then the union is this mask's own area, so that lying inside the crowd gives 1.</param>
    /// <returns>0 … 1; 0 when nothing is shared, even if both masks are empty.</returns>
    /// <exception cref="ArgumentException">The masks are of different sizes.</exception>
    public double IoU(RleMask other, bool crowd = false)
    {
        var common = Intersection(other);
        if (common == 0)
            return 0;
        return (double)common / (crowd ? Area : Area + other.Area - common);
    }

    /// <summary>The mask of the pixels inside this mask or the other.</summary>
    /// <exception cref="ArgumentException">The masks are of different sizes.</exception>
    public RleMask Union(RleMask other) => Merge([this, other]);

    /// <summary>The mask of the pixels inside any of the masks (or inside all of them).</summary>
    /// <param name="masks">One mask or more, all of one size.</param>
    /// <param name="intersect">Whether a pixel must be inside all masks instead of any.</param>
    /// <exception cref="ArgumentException">There is no mask, or they are of different sizes.</exception>
    public static RleMask Merge(IReadOnlyList<RleMask> masks, bool intersect = false)
    {
        ArgumentNullException.ThrowIfNull(masks);
        if (masks.Count == 0)
            throw new ArgumentException("At least one mask is needed; there is none to take the size from.", nameof(masks));
        var result = masks[0];
        for (var i = 1; i < masks.Count; i++)
        {
            result.CheckSameSize(masks[i], nameof(masks));
            result = new RleMask(result.Height, result.Width, Combine(result._counts, masks[i]._counts, intersect), owned: true);
        }

        return result;
    }

    /// <summary>The mask of an object outlined by polygons: a pixel is inside if it is inside any of them.</summary>
    /// <param name="polygons">
    /// Each x and y in turn, in pixels, at least three points, closing itself; points may lie outside the image. A polygon that crosses itself is filled by
    /// the even-odd rule.
    /// </param>
    /// <param name="height">Height of the image in pixels.</param>
    /// <param name="width">Width of the image in pixels.</param>
    /// <returns>The mask, equal pixel for pixel to that of the COCO API (<c>frPyObjects</c>, then <c>merge</c>).</returns>
    /// <exception cref="ArgumentException">A size is out of range, there is no polygon, or one is malformed.</exception>
    public static RleMask FromPolygons(IReadOnlyList<double[]> polygons, int height, int width)
    {
        ArgumentNullException.ThrowIfNull(polygons);
        CheckSize(height, width);
        if (polygons.Count == 0)
            throw new ArgumentException("At least one polygon is needed; use RleMask.Empty for a mask without pixels.", nameof(polygons));
        var runs = PolygonRasterizer.Rasterize(polygons[0], height, width);
        for (var i = 1; i < polygons.Count; i++)
            runs = Combine(runs, PolygonRasterizer.Rasterize(polygons[i], height, width), intersect: false);
        return new RleMask(height, width, runs, owned: true);
    }

    private static uint[] Combine(ReadOnlySpan<uint> a, ReadOnlySpan<uint> b, bool intersect)
    {
        var runs = new List<uint>(a.Length + b.Length);
        int i = 0, j = 0;
        long endA = a[0], endB = b[0], at = 0, start = 0;
        var inside = false;
        while (i < a.Length && j < b.Length)
        {
            var end = Math.Min(endA, endB);
            var value = intersect ? (i & j & 1) != 0 : ((i | j) & 1) != 0;
            if (end > at && value != inside)
            {
                runs.Add((uint)(at - start));
                (start, inside) = (at, value);
            }

            at = end;
            if (endA == end && ++i < a.Length)
                endA += a[i];
            else if (endB == end && ++j < b.Length)
                endB += b[j];
        }

        runs.Add((uint)(at - start));
        return [.. runs];
    }
}
