using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Cli;

/// <summary>What images are wanted for.</summary>
internal enum DataPart
{
    Train,
    Test,
    Calibration,
    All,
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
    /// folder as COCO format, by its own parts, by <paramref name="split"/>, or else whole.
    /// </summary>
    /// <param name="data">The name or the folder.</param>
    /// <param name="part">What the images are wanted for.</param>
    /// <param name="images">Use only the first ones; null for all.</param>
    /// <param name="seed">Of the split or the scenes.</param>
    /// <param name="classes">Classes of the model they are for, the background included: a model with more classes than the folder has (torchvision's 91) keeps the file's category ids as labels.</param>
    /// <param name="split">How a COCO folder with one annotation file is split; null takes it whole.</param>
    public static IDetectionDataset Open(string data, DataPart part, int? images, int seed, int? classes = null, TrainingSplit? split = null)
    {
        if (images is < 1)
            throw new ArgumentException($"--images is {images}; give at least 1.");
        if (data == DataSource.ShapeScenesName)
            return ShapeScenes.Create(images ?? DefaultScenes, seed + ((int)part * SeedDistance));
        CheckFolder(data);
        var dataset = IsPennFudan(data) ? PennFudanPart(data, part, seed) : OpenCoco(data, part, classes, split);
        return images is { } count ? dataset.Take(count) : dataset;
    }

    /// <summary>The split of a COCO folder with one annotation file; null for all other data, which have parts of their own, and where nothing is held out.</summary>
    /// <exception cref="ArgumentException">The share is out of range, or there are too few images.</exception>
    public static TrainingSplit? SplitOf(string data, double heldOut, int seed)
    {
        if (data == DataSource.ShapeScenesName)
            return null;
        CheckFolder(data);
        return IsPennFudan(data) ? null : CocoParts.Find(data).SplitBy(heldOut, seed);
    }

    /// <summary>Whether a split is of the data set that a folder holds.</summary>
    public static bool IsOf(string data, TrainingSplit split) => Directory.Exists(data) && new DirectoryInfo(data).Name == split.Data;

    /// <summary>Unlabelled images: a folder of pictures, a data set's images (of its training part), or scenes. The caller owns the tensors.</summary>
    /// <param name="data">The name or the folder.</param>
    /// <param name="count">How many, at most.</param>
    /// <param name="seed">Of the choice.</param>
    /// <param name="split">Of the data the model was trained on: where <paramref name="data"/> is that folder, its held-out images are not used.</param>
    public static IReadOnlyList<Tensor> Unlabelled(string data, int count, int seed, TrainingSplit? split = null)
    {
        if (count < 1)
            throw new ArgumentException($"--images is {count}; give at least 1.");
        if (data == DataSource.ShapeScenesName || (Directory.Exists(data) && IsPennFudan(data)))
        {
            var dataset = Open(data, data == DataSource.ShapeScenesName ? DataPart.Calibration : DataPart.Train, data == DataSource.ShapeScenesName ? count : null, seed);
            return [.. Enumerable.Range(0, Math.Min(count, dataset.Count)).Select(index => ImageOf(dataset, index))];
        }

        if (split is not null && IsOf(data, split))
        {
            var training = Open(data, DataPart.Train, null, seed, null, split);
            return [.. new SampleOrder(training.Count, seed).Epoch(0).Take(count).Order().Select(index => ImageOf(training, index))];
        }

        // A data set's own folder of images, where the pictures are not in the folder itself.
        var inside = Path.Combine(data, "images");
        var folder = ImageFolder.Open(Directory.Exists(inside) && !HasPictures(data) ? inside : data);
        folder = folder.Choose(Math.Min(count, folder.Count), seed);
        return [.. Enumerable.Range(0, folder.Count).Select(folder.Load)];
    }

    /// <summary>Whether a folder holds annotations: Penn-Fudan's masks, or JSON in one of the places where COCO's is looked for.</summary>
    public static bool IsAnnotated(string folder) =>
        Directory.Exists(folder) && (IsPennFudan(folder) || CocoParts.Find(folder).HasOwnParts
            || Directory.Exists(Path.Combine(folder, "annotations")) || Directory.EnumerateFiles(folder, "*.json").Any());

    /// <summary>The pictures of a folder as a data set without labels.</summary>
    public static IDetectionDataset Pictures(string data, int? images, int seed, IReadOnlyList<string> classNames)
    {
        var folder = ImageFolder.Open(data);
        return new UnlabelledImages(images is { } count && count < folder.Count ? folder.Choose(count, seed) : folder, classNames);
    }

    private static void CheckFolder(string data)
    {
        if (!Directory.Exists(data))
            throw new ArgumentException($"There is no folder '{data}'. Give '{DataSource.ShapeScenesName}', a Penn-Fudan folder (PNGImages, PedMasks), or a folder in COCO format.");
    }

    private static bool HasPictures(string folder) => Directory.EnumerateFiles(folder).Any(file => Path.GetExtension(file).ToLowerInvariant() is ".png" or ".jpg" or ".jpeg");

    private static IDetectionDataset OpenCoco(string folder, DataPart part, int? classes, TrainingSplit? split)
    {
        var parts = CocoParts.Find(folder);
        var dataset = parts.Open(part, split);
        return classes is null || dataset.ClassNames.Count + 1 >= classes ? dataset : parts.Open(part, split, keepIds: true);
    }

    /// <summary>Whether a folder is laid out as Penn-Fudan is.</summary>
    public static bool IsPennFudan(string folder) => Directory.Exists(Path.Combine(folder, "PedMasks"));

    private static IDetectionDataset PennFudanPart(string folder, DataPart part, int seed)
    {
        var whole = PennFudanDataset.Open(folder);
        if (part == DataPart.All)
            return whole;
        var (train, test) = whole.Split(PennFudanTraining, seed);
        return part == DataPart.Test ? test : train;
    }

    private static Tensor ImageOf(IDetectionDataset dataset, int index)
    {
        var sample = dataset.Load(index);
        sample.Target.Dispose();
        return sample.Image;
    }
}
