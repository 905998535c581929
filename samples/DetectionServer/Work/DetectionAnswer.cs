namespace DetectionServer.Work;

/// <summary>What the models found on one picture.</summary>
/// <param name="Width">Of the picture, in pixels, upright.</param>
/// <param name="Height">Of the picture.</param>
/// <param name="Found">One entry for each model that was asked, in the order asked.</param>
internal sealed record DetectionAnswer(int Width, int Height, IReadOnlyList<ModelFinding> Found);

/// <summary>What one model found. The lists have one entry for each detection, best first, as <c>filter-pruning detect --json</c> writes them.</summary>
internal sealed record ModelFinding
{
    public required ModelName Model { get; init; }

    /// <summary>The network's time, resizing and pasting of the masks included.</summary>
    public required double Milliseconds { get; init; }

    /// <summary>x1, y1, x2, y2 in pixels.</summary>
    public required IReadOnlyList<float[]> Boxes { get; init; }

    /// <summary>1 … number of classes.</summary>
    public required IReadOnlyList<int> Labels { get; init; }

    public required IReadOnlyList<string> Names { get; init; }

    public required IReadOnlyList<float> Scores { get; init; }

    /// <summary>COCO's run-length encoding; null when no masks were asked for.</summary>
    public IReadOnlyList<CocoMask>? Masks { get; init; }

    /// <summary>A PNG with the detections drawn in; null when none was asked for.</summary>
    public byte[]? Picture { get; init; }
}

/// <summary>A mask as COCO writes it.</summary>
/// <param name="Size">Height, width.</param>
/// <param name="Counts">COCO's compressed run lengths.</param>
internal sealed record CocoMask(int[] Size, string Counts);
