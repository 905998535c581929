namespace FilterPruning.Detection.Evaluation;

/// <summary>What overlaps are measured on.</summary>
public enum IouType
{
    /// <summary>Boxes, continuous coordinates (COCO's <c>bbox</c>).</summary>
    Box,

    /// <summary>Masks, pixels (COCO's <c>segm</c>).</summary>
    Mask,
}
