namespace FilterPruning.Detection.Data;

/// <summary>A binary mask in COCO's run-length encoding: column-major runs, the first of zeros.</summary>
public sealed class RleMask
{
    /// <summary>Height in pixels.</summary>
    public int Height { get; }

    /// <summary>Width in pixels.</summary>
    public int Width { get; }

    /// <summary>Run lengths, alternately of zeros and of ones, beginning with zeros (which may be 0).</summary>
    public IReadOnlyList<uint> Counts { get; }

    /// <summary>Creates a mask from its runs, which must sum to height × width.</summary>
    public RleMask(int height, int width, IReadOnlyList<uint> counts)
    {
        Height = height;
        Width = width;
        Counts = counts;
    }
}
