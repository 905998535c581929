namespace FilterPruning.Detection.Onnx;

/// <summary>How a detector is divided into files.</summary>
public enum OnnxParts
{
    /// <summary>One file, from the image to the detections.</summary>
    Whole,

    /// <summary>
    /// Two files that run one after the other: the backbone (image → pyramid, resizing and normalising included) and the heads (pyramid and the image's size → detections).
    /// </summary>
    Separate,
}
