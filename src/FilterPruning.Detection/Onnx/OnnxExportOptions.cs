using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Onnx;

/// <summary>How <see cref="OnnxExporter"/> writes a detector. Immutable; checked when an export begins.</summary>
public sealed record OnnxExportOptions
{
    /// <summary>The oldest operator set the graph can be written in.</summary>
    public const int MinOpset = 16;

    /// <summary>The newest operator set the graph can be written in: the last one before RoiAlign 22, which runtimes do not have yet.</summary>
    public const int MaxOpset = 21;

    /// <summary>The version of the standard operators, <see cref="MinOpset"/> to <see cref="MaxOpset"/>. The graph is the same in all of them. Default 16, which the most runtimes read.</summary>
    public int Opset { get; init; } = MinOpset;

    /// <summary>One file or two. Default one.</summary>
    public OnnxParts Parts { get; init; } = OnnxParts.Whole;

    /// <summary>
    /// Whether the graph pastes masks into the image. True: <c>masks</c> is <c>[N, 1, H, W]</c> at the image's size, 4 · H · W bytes for each detection. False: <c>[N, 1, 28, 28]</c>, to be pasted
    /// into the boxes by the caller. Default true.
    /// </summary>
    public bool PasteMasks { get; init; } = true;

    /// <summary>
    /// Whether weights of two and more dimensions are stored as float16, half the size. The runtime converts them to float32 when it loads the file and computes in float32, so it answers what the detector
    /// answers with weights rounded to float16. Default false.
    /// </summary>
    public bool HalfPrecisionWeights { get; init; }

    /// <summary>Whether weights lie in a second file beside each model, its name with <c>.data</c> appended: needed above 2 GB. The two files belong together and must keep their names. Default false.</summary>
    public bool ExternalData { get; init; }

    /// <summary>What the detector is; its class names and its JSON go into the file's metadata as <c>class_names</c> (a JSON array) and <c>filter_pruning.detector</c>. Default null: no such metadata.</summary>
    public DetectorDescription? Description { get; init; }

    /// <summary>What one protobuf file can hold; tests lower it.</summary>
    internal long MaxFileBytes { get; init; } = int.MaxValue;

    /// <summary>Throws an <see cref="ArgumentException"/> that lists every violation.</summary>
    internal void Validate()
    {
        var errors = new List<string>();
        if (Opset is < MinOpset or > MaxOpset)
            errors.Add($"Opset is {Opset}; allowed are {MinOpset} to {MaxOpset}");
        if (!Enum.IsDefined(Parts))
            errors.Add($"Parts is {(int)Parts}; allowed are {nameof(OnnxParts.Whole)} and {nameof(OnnxParts.Separate)}");
        if (errors.Count > 0)
            throw new ArgumentException($"The options of the ONNX export have {errors.Count} violation(s): {string.Join("; ", errors)}.");
    }
}
