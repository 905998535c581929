namespace FilterPruning.Detection.Tests.Ops;

/// <summary>RoIAlign as its definition says, in double, one sample after the other.</summary>
internal static class RoIAlignReference
{
    public static double Pool(Func<int, int, double> cell, int height, int width, double[] box, int oh, int ow, int ph, int pw, double scale, int ratio, bool aligned)
    {
        var offset = aligned ? 0.5 : 0;
        var (x0, y0) = (box[0] * scale - offset, box[1] * scale - offset);
        var (w, h) = (box[2] * scale - offset - x0, box[3] * scale - offset - y0);
        if (!aligned)
            (w, h) = (Math.Max(w, 1), Math.Max(h, 1));
        var (nx, ny) = ratio > 0 ? (ratio, ratio) : ((int)Math.Ceiling(w / ow), (int)Math.Ceiling(h / oh));
        double sum = 0;
        for (var iy = 0; iy < ny; iy++)
        {
            for (var ix = 0; ix < nx; ix++)
            {
                var y = y0 + ph * h / oh + (iy + 0.5) * h / oh / ny;
                var x = x0 + pw * w / ow + (ix + 0.5) * w / ow / nx;
                if (y >= -1 && y <= height && x >= -1 && x <= width)
                    sum += Sample(cell, height, width, Math.Max(y, 0), Math.Max(x, 0));
            }
        }

        return sum / Math.Max(1, nx * ny);
    }

    private static double Sample(Func<int, int, double> cell, int height, int width, double y, double x)
    {
        (y, x) = (Math.Min(y, height - 1), Math.Min(x, width - 1));
        var (top, left) = ((int)y, (int)x);
        var (bottom, right) = (Math.Min(top + 1, height - 1), Math.Min(left + 1, width - 1));
        var (fy, fx) = (y - top, x - left);
        return (1 - fy) * ((1 - fx) * cell(top, left) + fx * cell(top, right)) + fy * ((1 - fx) * cell(bottom, left) + fx * cell(bottom, right));
    }
}
