namespace FilterPruning.Detection.Evaluation;

/// <summary>The thresholds and ranges of COCO's figures, as <c>pycocotools.cocoeval.Params</c> has them for boxes and masks.</summary>
internal static class CocoParameters
{
    public const int All = 0, Small = 1, Medium = 2, Large = 3;

    /// <summary>0.50, 0.55 … 0.95.</summary>
    public static readonly double[] Thresholds = LinearSpace(0.5, 0.95, 10);

    /// <summary>0, 0.01 … 1.</summary>
    public static readonly double[] Recalls = LinearSpace(0, 1, 101);

    /// <summary>All, small, medium, large; both ends belong to the range.</summary>
    public static readonly (double Minimum, double Maximum)[] Areas = [(0, 1e10), (0, 32 * 32), (32 * 32, 96 * 96), (96 * 96, 1e10)];

    // Formed as numpy.linspace forms it, to the last bit: a recall that hits a grid point exactly must fall on the same side.
    private static double[] LinearSpace(double start, double end, int count)
    {
        var step = (end - start) / (count - 1);
        var values = new double[count];
        for (var i = 0; i < count - 1; i++)
            values[i] = i * step + start;
        values[^1] = end;
        return values;
    }
}
