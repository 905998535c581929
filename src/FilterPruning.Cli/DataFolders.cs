using FilterPruning.Detection.Data;

namespace FilterPruning.Cli;

/// <summary>What images are wanted for.</summary>
internal enum DataPart
{
    Train,
    Test,
    Calibration,
}

/// <summary>Opens whatever data a path names.</summary>
internal static class DataFolders
{
    private const int DefaultScenes = 200;
    private const int PennFudanTraining = 120;

    /// <summary>Scenes of different parts come from seeds this far apart, so that they have nothing in common.</summary>
    private const int SeedDistance = 1_000_000;

    /// <summary>
    /// ShapeScenes by name; a Penn-Fudan folder split into 120 images for training and the rest for testing by a seeded permutation; any other
    /// folder as COCO format, whole.
    /// </summary>
    /// <param name="data">The name or the folder.</param>
    /// <param name="part">What the images are wanted for.</param>
    /// <param name="images">Use only the first ones; null for all.</param>
    /// <param name="seed">Of the split or the scenes.</param>
    /// <param name="classes">Classes of the model they are for, the background included: a model with more classes than the folder has (torchvision's 91) keeps the file's category ids as labels.</param>
    public static IDetectionDataset Open(string data, DataPart part, int? images, int seed, int? classes = null)
    {
        if (images is < 1)
            throw new ArgumentException($"--images is {images}; give at least 1.");
        if (data == DataSource.ShapeScenesName)
            return ShapeScenes.Create(images ?? DefaultScenes, seed + ((int)part * SeedDistance));
        if (!Directory.Exists(data))
            throw new ArgumentException($"There is no folder '{data}'. Give '{DataSource.ShapeScenesName}', a Penn-Fudan folder (PNGImages, PedMasks), or a folder in COCO format.");
        var dataset = IsPennFudan(data) ? PennFudanPart(data, part, seed) : OpenCoco(data, classes);
        return images is { } count ? dataset.Take(count) : dataset;
    }

    /// <summary>Unlabelled images: a folder of pictures, a data set's images (of its training part), or scenes. The caller owns the tensors.</summary>
    public static IReadOnlyList<Tensor> Unlabelled(string data, int count, int seed)
    {
        if (count < 1)
            throw new ArgumentException($"--images is {count}; give at least 1.");
        if (data == DataSource.ShapeScenesName || (Directory.Exists(data) && IsPennFudan(data)))
        {
            var dataset = Open(data, data == DataSource.ShapeScenesName ? DataPart.Calibration : DataPart.Train, data == DataSource.ShapeScenesName ? count : null, seed);
            return [.. Enumerable.Range(0, Math.Min(count, dataset.Count)).Select(index => ImageOf(dataset, index))];
        }

        var folder = ImageFolder.Open(data);
        folder = folder.Choose(Math.Min(count, folder.Count), seed);
        return [.. Enumerable.Range(0, folder.Count).Select(folder.Load)];
    }

    /// <summary>Whether a folder holds annotations: Penn-Fudan's masks, or COCO's JSON anywhere that <see cref="CocoDataset.OpenFolder(string, CocoDatasetOptions)"/> looks.</summary>
    public static bool IsAnnotated(string folder) =>
        Directory.Exists(folder) && (IsPennFudan(folder) || Directory.Exists(Path.Combine(folder, "annotations")) || Directory.EnumerateFiles(folder, "*.json").Any());

    /// <summary>The pictures of a folder as a data set without labels.</summary>
    public static IDetectionDataset Pictures(string data, int? images, int seed, IReadOnlyList<string> classNames)
    {
        var folder = ImageFolder.Open(data);
        return new UnlabelledImages(images is { } count && count < folder.Count ? folder.Choose(count, seed) : folder, classNames);
    }

    private static CocoDataset OpenCoco(string folder, int? classes)
    {
        var dataset = CocoDataset.OpenFolder(folder);
        return classes is null || dataset.ClassNames.Count + 1 >= classes ? dataset : CocoDataset.OpenFolder(folder, new CocoDatasetOptions { KeepCategoryIds = true });
    }

    private static bool IsPennFudan(string folder) => Directory.Exists(Path.Combine(folder, "PedMasks"));

    private static IDetectionDataset PennFudanPart(string folder, DataPart part, int seed)
    {
        var (train, test) = PennFudanDataset.Open(folder).Split(PennFudanTraining, seed);
        return part == DataPart.Test ? test : train;
    }

    private static Tensor ImageOf(IDetectionDataset dataset, int index)
    {
        var sample = dataset.Load(index);
        sample.Target.Dispose();
        return sample.Image;
    }
}
