namespace FilterPruning.Detection.Data;

/// <summary>How a COCO data set is read.</summary>
public sealed record CocoDatasetOptions
{
    /// <summary>The name for reports; null (the default) takes the folder's name.</summary>
    public string? Name { get; init; }

    /// <summary>
    /// Whether labels are the file's category ids. Default false: categories in ascending order of ids become labels 1, 2, 3 … True is for checkpoints that were
    /// trained so, torchvision's 91-class ones among them; ids between that name no category get the class name <c>N/A</c>.
    /// </summary>
    public bool KeepCategoryIds { get; init; }

    /// <summary>What is taken at most from the files.</summary>
    public CocoLimits Limits { get; init; } = new();

    /// <summary>Whether images without a usable object are left out, as training wants it. Default false.</summary>
    public bool OnlyImagesWithObjects { get; init; }
}
