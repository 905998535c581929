using FilterPruning.Detection.Evaluation;

namespace FilterPruning.Detection.Data;

/// <summary>A COCO annotation file that has been checked: every annotation's image and category are there, ids are unique.</summary>
internal sealed class CocoIndex
{
    private readonly string _path;
    private readonly Dictionary<long, CocoImage> _images = [];

    private CocoIndex(string path, CocoFile file, CocoLimits limits)
    {
        _path = path;
        Limits = limits;
        CheckCounts(file);
        Images = [.. file.Images.OrderBy(image => image.Id)];
        Categories = [.. file.Categories.OrderBy(category => category.Id)];
        Annotations = file.Annotations;
    }

    /// <summary>In ascending order of ids.</summary>
    public IReadOnlyList<CocoImage> Images { get; }

    /// <summary>In ascending order of ids.</summary>
    public IReadOnlyList<CocoCategory> Categories { get; }

    /// <summary>In the file's order.</summary>
    public IReadOnlyList<CocoAnnotation> Annotations { get; }

    /// <summary>What is taken at most.</summary>
    public CocoLimits Limits { get; }

    public static CocoIndex Read(string path, CocoLimits limits) => Of(path, CocoJson.Read(path, CocoJson.Default.CocoFile, limits), limits);

    /// <summary>Checks what was read.</summary>
    public static CocoIndex Of(string path, CocoFile file, CocoLimits limits)
    {
        var index = new CocoIndex(path, file, limits);
        index.Check();
        return index;
    }

    public CocoImage ImageOf(CocoAnnotation annotation) => _images[annotation.ImageId];

    /// <summary>The annotation's pixels; an empty mask where it has no segmentation.</summary>
    /// <exception cref="DatasetException">The segmentation is malformed.</exception>
    public RleMask ToMask(CocoAnnotation annotation)
    {
        var image = ImageOf(annotation);
        try
        {
            return annotation.Segmentation?.ToMask(image.Height, image.Width) ?? RleMask.Empty(image.Height, image.Width);
        }
        catch (ArgumentException error)
        {
            throw new DatasetException($"Annotation {annotation.Id} on image {annotation.ImageId} of '{_path}' has a bad segmentation: {error.Message}", error);
        }
    }

    /// <summary>The annotation's box, or its mask's where the file gives none.</summary>
    public static (double X, double Y, double Width, double Height) BoxOf(CocoAnnotation annotation, RleMask mask) =>
        annotation.Box is [var x, var y, var width, var height] ? (x, y, Math.Max(0, width), Math.Max(0, height)) : mask.BoundingBox();

    /// <summary>The annotation as the evaluator takes it.</summary>
    public GroundTruthInstance ToInstance(CocoAnnotation annotation, int category)
    {
        var mask = ToMask(annotation);
        return new GroundTruthInstance(annotation.ImageId, category, BoxOf(annotation, mask), mask, annotation.Area ?? mask.Area, annotation.IsCrowd != 0);
    }

    private void CheckCounts(CocoFile file)
    {
        Count(file.Images.Count, Limits.Images, "images", nameof(CocoLimits.Images));
        Count(file.Annotations.Count, Limits.Annotations, "annotations", nameof(CocoLimits.Annotations));
        Count(file.Categories.Count, Limits.Categories, "categories", nameof(CocoLimits.Categories));
        if (file.Images.Contains(null!) || file.Annotations.Contains(null!) || file.Categories.Contains(null!))
            throw Damaged("has a null among its images, annotations or categories");
    }

    private void Count(long count, long limit, string what, string name)
    {
        if (count > limit)
            throw new DatasetException($"'{_path}' has {count} {what}; the limit is {limit}. Raise {nameof(CocoLimits)}.{name} if you trust the file.");
    }

    private void Check()
    {
        foreach (var image in Images)
        {
            Count(image.FileName?.Length ?? 0, Limits.NameLength, $"characters in the file name of image {image.Id}", nameof(CocoLimits.NameLength));
            if (!_images.TryAdd(image.Id, image))
                throw Damaged($"has two images with id {image.Id}");
            try
            {
                RleMask.CheckSize(image.Height, image.Width);
            }
            catch (ArgumentException error)
            {
                throw Damaged($"gives image {image.Id} a size of {image.Height} × {image.Width}: {error.Message}");
            }

            Count((long)image.Height * image.Width, Limits.PixelsPerImage, $"pixels in image {image.Id}", nameof(CocoLimits.PixelsPerImage));
        }

        var categories = new HashSet<int>();
        foreach (var category in Categories)
        {
            Count(category.Name.Length, Limits.NameLength, $"characters in the name of category {category.Id}", nameof(CocoLimits.NameLength));
            if (!categories.Add(category.Id))
                throw Damaged($"has two categories with id {category.Id}");
        }

        foreach (var annotation in Annotations)
        {
            if (!_images.ContainsKey(annotation.ImageId))
                throw Damaged($"has annotation {annotation.Id} on image {annotation.ImageId}, but no entry for that image among its {Images.Count}");
            if (!categories.Contains(annotation.CategoryId))
                throw Damaged($"has annotation {annotation.Id} of category {annotation.CategoryId}, but its categories are {Ids(categories)}");
            if (annotation.Box is not (null or [] or [_, _, _, _]) || annotation.Box?.Any(value => !(Math.Abs(value) <= PolygonRasterizer.MaximumCoordinate)) == true)
                throw Damaged($"has annotation {annotation.Id} with bbox [{string.Join(", ", annotation.Box!.Take(8))}]; four numbers x, y, width, height in pixels are needed");
            if (annotation.Area is { } area && !(area >= 0 && double.IsFinite(area)))
                throw Damaged($"has annotation {annotation.Id} with area {area}; a number of pixels is needed");
            Count((annotation.Segmentation?.Polygons?.Sum(polygon => (long)polygon.Length) ?? 0) / 2, Limits.PointsPerObject, $"points in annotation {annotation.Id}", nameof(CocoLimits.PointsPerObject));
        }
    }

    private DatasetException Damaged(string what) => new($"'{_path}' {what}. Correct the file.");

    private static string Ids(IEnumerable<int> ids) => string.Join(", ", ids.Order().Take(10)) + (ids.Count() > 10 ? ", …" : string.Empty);
}
