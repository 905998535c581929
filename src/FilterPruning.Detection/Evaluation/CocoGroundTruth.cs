using FilterPruning.Detection.Data;

namespace FilterPruning.Detection.Evaluation;

/// <summary>The annotations of a COCO file for evaluation; needs no image. Classes are the file's own category ids.</summary>
public sealed class CocoGroundTruth
{
    private CocoGroundTruth(IReadOnlyDictionary<long, (int Height, int Width)> images, IReadOnlyDictionary<int, string> categories, IReadOnlyList<GroundTruthInstance> instances)
    {
        Images = images;
        Categories = categories;
        Instances = instances;
    }

    /// <summary>The size in pixels of each image, by its id.</summary>
    public IReadOnlyDictionary<long, (int Height, int Width)> Images { get; }

    /// <summary>The name of each class, by its id.</summary>
    public IReadOnlyDictionary<int, string> Categories { get; }

    /// <summary>All annotations, crowds among them, in the file's order.</summary>
    public IReadOnlyList<GroundTruthInstance> Instances { get; }

    /// <summary>Reads a file and turns every segmentation into a mask.</summary>
    /// <param name="path">A COCO annotation file (<c>instances_*.json</c>).</param>
    /// <exception cref="DatasetException">The file is missing or damaged, or an annotation names an image or a category that is not there.</exception>
    public static CocoGroundTruth Read(string path) => Read(path, new CocoLimits());

    /// <summary>Reads a file with other limits than the usual ones.</summary>
    /// <param name="path">A COCO annotation file (<c>instances_*.json</c>).</param>
    /// <param name="limits">What is taken at most.</param>
    /// <exception cref="DatasetException">As for <see cref="Read(string)"/>.</exception>
    public static CocoGroundTruth Read(string path, CocoLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        return Of(CocoIndex.Read(path, limits));
    }

    internal static CocoGroundTruth Of(CocoIndex index)
    {
        var instances = index.Annotations.Select(annotation => index.ToInstance(annotation, annotation.CategoryId)).ToArray();
        return new CocoGroundTruth(index.Images.ToDictionary(image => image.Id, image => (image.Height, image.Width)), index.Categories.ToDictionary(category => category.Id, category => category.Name), instances);
    }
}
