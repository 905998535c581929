namespace FilterPruning.Detection.Models;

/// <summary>The stages of <see cref="MaskRcnnModel.Detect(IReadOnlyList{Tensor}, StageTimes)"/>, in order.</summary>
public enum DetectionStage
{
    /// <summary>Images normalised, resized and batched.</summary>
    Transform,

    /// <summary>The ResNet.</summary>
    Body,

    /// <summary>The feature pyramid.</summary>
    Pyramid,

    /// <summary>The RPN's convolutions and the anchors.</summary>
    RpnHead,

    /// <summary>The best anchors decoded, clipped and suppressed.</summary>
    Proposals,

    /// <summary>Features of the proposals, 7 × 7.</summary>
    BoxAlign,

    /// <summary>The two linear layers, classes and offsets.</summary>
    BoxHead,

    /// <summary>Detections chosen among the proposals.</summary>
    Selection,

    /// <summary>Features of the detections, 14 × 14.</summary>
    MaskAlign,

    /// <summary>The mask head and the mask of each detection's class.</summary>
    MaskHead,

    /// <summary>Boxes scaled to the images as given, masks pasted into them.</summary>
    Paste,
}
