using FilterPruning.Detection.Evaluation;

namespace FilterPruning.Detection.Data;

/// <summary>An annotation that is not in any target, and why.</summary>
/// <param name="AnnotationId">Its id in the file.</param>
/// <param name="ImageId">The image it is on.</param>
/// <param name="Reason">Why it was left out.</param>
public sealed record SkippedAnnotation(long AnnotationId, long ImageId, string Reason);

/// <summary>
/// A data set in COCO's format: one json file with polygons or run-length masks, and a folder of images.
/// Images come in ascending order of ids. Only annotations are held in memory; images are read on <see cref="Load"/>. Loading is safe from several threads.
/// </summary>
public sealed class CocoDataset : IDetectionDataset, IGroundTruthSource
{
    private readonly CocoIndex _index;
    private readonly string _imageFolder;
    private readonly Dictionary<int, int> _labels = [];
    private readonly IReadOnlyList<CocoImage> _images;
    private readonly ILookup<long, CocoAnnotation> _annotations;

    private CocoDataset(CocoIndex index, string imageFolder, CocoDatasetOptions options)
    {
        _index = index;
        _imageFolder = Path.GetFullPath(imageFolder);
        Name = options.Name ?? new DirectoryInfo(Path.GetDirectoryName(_imageFolder) ?? _imageFolder).Name;
        ClassNames = MakeLabels(index.Categories, options.KeepCategoryIds);
        _annotations = index.Annotations.ToLookup(annotation => annotation.ImageId);
        Skipped = [.. index.Annotations.Select(annotation => (annotation, Reason: WhySkipped(annotation))).Where(pair => pair.Reason is not null)
            .Select(pair => new SkippedAnnotation(pair.annotation.Id, pair.annotation.ImageId, pair.Reason!))];
        _images = options.OnlyImagesWithObjects ? [.. index.Images.Where(image => Objects(image).Any())] : index.Images;
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames { get; }

    /// <inheritdoc/>
    public int Count => _images.Count;

    /// <summary>The annotations that are in no target: no usable box, or no segmentation. Crowds are not among them.</summary>
    public IReadOnlyList<SkippedAnnotation> Skipped { get; }

    /// <summary>Opens a data set: reads and checks the annotations, and looks whether the images are there.</summary>
    /// <param name="annotationFile">A COCO annotation file.</param>
    /// <param name="imageFolder">The folder that the file's <c>file_name</c> entries are relative to.</param>
    /// <param name="options">Names and labels; null for the defaults.</param>
    /// <exception cref="DatasetException">A file is missing or damaged, an annotation names an image or a category that is not there.</exception>
    public static CocoDataset Open(string annotationFile, string imageFolder, CocoDatasetOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(imageFolder);
        if (!Directory.Exists(imageFolder))
            throw new DatasetException($"There is no image folder '{imageFolder}'. Give the folder that the file names in '{annotationFile}' are relative to.");
        var dataset = new CocoDataset(CocoIndex.Read(annotationFile, (options ??= new CocoDatasetOptions()).Limits), imageFolder, options);
        foreach (var image in dataset._images)
        {
            if (!File.Exists(dataset.PathOf(image)))
                throw new DatasetException($"Image {image.Id} of '{annotationFile}' is missing: there is no '{dataset.PathOf(image)}'. Complete the folder, or remove the image from the file.");
        }

        return dataset;
    }

    /// <summary>
    /// Opens a data set from a folder with the images in <c>images/</c> and the annotations in <c>annotations/instances.json</c>, <c>trainval.json</c>,
    /// <c>annotations.json</c> or <c>instances.json</c>, or in the only json file of the folder or of its <c>annotations/</c>. Without <c>images/</c> the images are
    /// sought in the folder itself.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="options">Names and labels; null for the defaults.</param>
    /// <exception cref="DatasetException">As <see cref="Open"/>, or no annotation file is found.</exception>
    public static CocoDataset OpenFolder(string folder, CocoDatasetOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        var annotations = CocoFolder.FindAnnotations(folder);
        var images = Path.Combine(folder, "images");
        options ??= new CocoDatasetOptions();
        return Open(annotations, Directory.Exists(images) ? images : folder, options with { Name = options.Name ?? new DirectoryInfo(folder).Name });
    }

    /// <inheritdoc/>
    /// <exception cref="DatasetException">The image cannot be read or has another size than annotated, or a segmentation is malformed.</exception>
    public DetectionSample Load(int index)
    {
        var image = ImageAt(index);
        using var scope = NewDisposeScope();
        var pixels = ImageFile.Load(PathOf(image)); // [3, H, W]
        if (pixels.shape[1] != image.Height || pixels.shape[2] != image.Width)
        {
            throw new DatasetException(
                $"'{PathOf(image)}' is {pixels.shape[1]} × {pixels.shape[2]} but image {image.Id} is annotated as {image.Height} × {image.Width} (height × width). Its masks would not fit.");
        }

        var crowds = _annotations[image.Id].Where(annotation => annotation.IsCrowd != 0).Select(ToCrowd).ToArray();
        var target = ToTarget(image, [.. Objects(image)]);
        pixels.MoveToOuterDisposeScope();
        target.Boxes.MoveToOuterDisposeScope();
        target.Labels.MoveToOuterDisposeScope();
        target.Masks.MoveToOuterDisposeScope();
        return new DetectionSample(image.Id, pixels, target) { Crowds = crowds };
    }

    /// <inheritdoc/>
    /// <remarks>Annotations in <see cref="Skipped"/> are included, as COCO's own tool includes them.</remarks>
    public IReadOnlyList<GroundTruthInstance> GroundTruth(int index) =>
        [.. _annotations[ImageAt(index).Id].Select(annotation => _index.ToInstance(annotation, _labels[annotation.CategoryId]))];

    private Models.Target ToTarget(CocoImage image, CocoAnnotation[] objects)
    {
        if ((long)objects.Length * image.Height * image.Width > _index.Limits.MaskBytes)
        {
            throw new DatasetException(
                $"Image {image.Id} of the data set '{Name}' has {objects.Length} objects on {image.Height} × {image.Width} pixels: their masks would take {(long)objects.Length * image.Height * image.Width} bytes, and the limit "
                + $"is {_index.Limits.MaskBytes}. Raise {nameof(CocoLimits)}.{nameof(CocoLimits.MaskBytes)} if there is room for them.");
        }

        var boxes = new float[objects.Length, 4];
        var masks = empty(objects.Length, image.Height, image.Width, dtype: ScalarType.Byte); // [N, H, W]
        for (var i = 0; i < objects.Length; i++)
        {
            var mask = _index.ToMask(objects[i]);
            using var slice = masks[i];
            mask.Decode(slice.bytes);
            var (left, top, right, bottom) = Corners(image, CocoIndex.BoxOf(objects[i], mask));
            (boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]) = ((float)left, (float)top, (float)right, (float)bottom);
        }

        return new Models.Target(tensor(boxes), tensor(objects.Select(annotation => (long)_labels[annotation.CategoryId]).ToArray()), masks);
    }

    private CrowdRegion ToCrowd(CocoAnnotation annotation)
    {
        var instance = _index.ToInstance(annotation, _labels[annotation.CategoryId]);
        return new CrowdRegion(instance.Category, instance.Mask!, instance.Box, instance.Area);
    }

    private IEnumerable<CocoAnnotation> Objects(CocoImage image) =>
        _annotations[image.Id].Where(annotation => annotation.IsCrowd == 0 && WhySkipped(annotation) is null);

    private string? WhySkipped(CocoAnnotation annotation)
    {
        if (annotation.IsCrowd != 0)
            return null;
        if (annotation.Segmentation is null or { IsEmpty: true })
            return "It has no segmentation.";
        if (annotation.Box is not [var x, var y, var width, var height])
            return null; // the mask gives the box
        // as floats: what is thinner than a float can tell is as degenerate as no width at all
        var (left, top, right, bottom) = Corners(_index.ImageOf(annotation), (x, y, width, height));
        return (float)right > (float)left && (float)bottom > (float)top ? null : $"Its box [{x}, {y}, {width}, {height}] has no area on the image.";
    }

    private static (double Left, double Top, double Right, double Bottom) Corners(CocoImage image, (double X, double Y, double Width, double Height) box) => (
        Math.Clamp(box.X, 0, image.Width), Math.Clamp(box.Y, 0, image.Height),
        Math.Clamp(box.X + box.Width, 0, image.Width), Math.Clamp(box.Y + box.Height, 0, image.Height));

    private List<string> MakeLabels(IReadOnlyList<CocoCategory> categories, bool keepIds)
    {
        var names = new List<string>();
        foreach (var category in categories)
        {
            if (keepIds && category.Id is < 1 or > CocoFolder.MaximumCategoryId)
                throw new DatasetException($"Category '{category.Name}' has id {category.Id}; to be labels, ids must be 1 … {CocoFolder.MaximumCategoryId} (0 is the background). Leave KeepCategoryIds off.");
            while (keepIds && names.Count < category.Id - 1)
                names.Add("N/A");
            names.Add(category.Name);
            _labels.Add(category.Id, names.Count);
        }

        return names;
    }

    private CocoImage ImageAt(int index) => index >= 0 && index < Count
        ? _images[index]
        : throw new ArgumentOutOfRangeException(nameof(index), index, $"The data set '{Name}' has images 0 … {Count - 1}.");

    // The file's names are data from elsewhere: they must not lead out of the folder.
    private string PathOf(CocoImage image)
    {
        if (string.IsNullOrEmpty(image.FileName))
            throw new DatasetException($"Image {image.Id} of the data set '{Name}' has no file_name. Add it to the annotation file.");
        if (image.FileName.Contains('\0', StringComparison.Ordinal))
            throw new DatasetException($"Image {image.Id} of the data set '{Name}' has a file name with a zero in it, '{image.FileName}'. Correct the annotation file.");
        var path = Path.GetFullPath(Path.Combine(_imageFolder, image.FileName));
        if (!path.StartsWith(Path.TrimEndingDirectorySeparator(_imageFolder) + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            throw new DatasetException($"Image {image.Id} of the data set '{Name}' has the file name '{image.FileName}', which leads out of '{_imageFolder}'. Names must be relative to that folder.");
        return path;
    }
}
