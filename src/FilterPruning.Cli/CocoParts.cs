using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Cli;

/// <summary>
/// A folder in COCO's format and its parts: one annotation file, of which a seeded share is held out; or a file for training and one for validation.
/// </summary>
internal sealed class CocoParts
{
    /// <summary>The share of the images that is held out where the folder has one annotation file.</summary>
    public const double DefaultHeldOut = 0.2;

    private static readonly string[] Validation = ["val", "valid", "validation", "test"];

    private readonly string _folder;
    private readonly (Source Train, Source Test)? _parts;

    private CocoParts(string folder, (Source Train, Source Test)? parts) => (_folder, _parts) = (folder, parts);

    private delegate CocoDataset Source(CocoDatasetOptions options);

    /// <summary>Whether the folder says itself what is for training and what for validation.</summary>
    public bool HasOwnParts => _parts is not null;

    /// <summary>
    /// Looks for <c>train/</c> beside <c>val/</c>, <c>valid/</c>, <c>validation/</c> or <c>test/</c> with an annotation file in each; for <c>[instances_]train*.json</c>
    /// beside <c>[instances_]val*.json</c> (or <c>valid…</c>, <c>test…</c>) in the folder or its <c>annotations/</c>; otherwise takes the folder as one set.
    /// </summary>
    public static CocoParts Find(string folder)
    {
        if (PartFolders(folder) is { } folders)
            return new CocoParts(folder, (options => CocoDataset.OpenFolder(folders.Train, options), options => CocoDataset.OpenFolder(folders.Test, options)));
        if (PartFiles(folder) is { } files)
            return new CocoParts(folder, (options => CocoDataset.Open(files.Train, ImagesFor(folder, files.Train), options), options => CocoDataset.Open(files.Test, ImagesFor(folder, files.Test), options)));
        return new CocoParts(folder, null);
    }

    /// <summary>Opens a part.</summary>
    /// <param name="part">Which; calibration takes the training part. With one annotation file and no <paramref name="split"/>, every part is the whole.</param>
    /// <param name="split">How a folder with one annotation file is split; null not at all.</param>
    /// <param name="keepIds">Whether labels are the file's category ids.</param>
    /// <exception cref="PruningException">The folder is not as it must be; the message says where.</exception>
    public IDetectionDataset Open(DataPart part, TrainingSplit? split, bool keepIds = false)
    {
        var options = new CocoDatasetOptions { KeepCategoryIds = keepIds };
        if (_parts is not { } parts)
        {
            var whole = CocoDataset.OpenFolder(_folder, options);
            return split is null || part == DataPart.All ? whole : Part(whole, split, part);
        }

        if (part == DataPart.All)
            throw new ArgumentException($"'{_folder}' has parts of its own; choose train or test.");
        var name = new DirectoryInfo(_folder).Name;
        var train = parts.Train(options with { Name = name + " train" });
        var test = parts.Test(options with { Name = name + " test" });
        if (!train.ClassNames.SequenceEqual(test.ClassNames))
        {
            throw new PruningException(
                $"The training part of '{_folder}' has the classes {string.Join(", ", train.ClassNames)}, but the validation part has {string.Join(", ", test.ClassNames)}. Give both files the same categories with the same ids.");
        }

        return part == DataPart.Test ? test : train;
    }

    /// <summary>The split of a folder with one annotation file; null where the folder has parts of its own or nothing is to be held out.</summary>
    /// <param name="heldOut">The share to hold out: 0 up to, not including, 1; at least one image if above 0.</param>
    /// <param name="seed">Of the permutation.</param>
    /// <exception cref="ArgumentException">The share is out of range, or there are too few images.</exception>
    public TrainingSplit? SplitBy(double heldOut, int seed)
    {
        if (!(heldOut >= 0 && heldOut < 1))
            throw new ArgumentException($"--held-out is {heldOut}; allowed is 0 <= share < 1. Give 0.2 to hold out a fifth of the images, 0 to train on all.");
        if (HasOwnParts || heldOut == 0)
            return null;
        var whole = CocoDataset.OpenFolder(_folder);
        if (whole.Count < 2)
            throw new ArgumentException($"'{_folder}' has {whole.Count} image(s); none can be held out. Add images, or give --held-out 0.");
        var held = Math.Clamp((int)Math.Round(whole.Count * heldOut, MidpointRounding.AwayFromZero), 1, whole.Count - 1);
        return new TrainingSplit { Data = whole.Name, Images = whole.Count, Training = whole.Count - held, Seed = seed };
    }

    private static IDetectionDataset Part(CocoDataset whole, TrainingSplit split, DataPart part)
    {
        if (whole.Count != split.Images)
        {
            throw new PruningException(
                $"'{whole.Name}' has {whole.Count} images now and had {split.Images} when the detector was trained; which ones were held out cannot be told any more. Give --part all to measure on all of them.");
        }

        var (train, test) = whole.Split(split.Training, split.Seed);
        return part == DataPart.Test ? test : train;
    }

    private static (string Train, string Test)? PartFolders(string folder)
    {
        var train = Path.Combine(folder, "train");
        var test = Validation.Select(name => Path.Combine(folder, name)).FirstOrDefault(HasAnnotations);
        return HasAnnotations(train) && test is not null ? (train, test) : null;
    }

    // A folder of images named "train" beside one annotation file is no part.
    private static bool HasAnnotations(string folder) =>
        new[] { folder, Path.Combine(folder, "annotations") }.Any(place => Directory.Exists(place) && Directory.EnumerateFiles(place, "*.json").Any());

    private static (string Train, string Test)? PartFiles(string folder)
    {
        foreach (var place in new[] { Path.Combine(folder, "annotations"), folder }.Where(Directory.Exists))
        {
            var files = Directory.EnumerateFiles(place, "*.json").Order(StringComparer.Ordinal).ToList();
            var train = files.FirstOrDefault(file => NameOf(file).StartsWith("train", StringComparison.Ordinal) && !NameOf(file).StartsWith("trainval", StringComparison.Ordinal));
            var test = Validation.Select(name => files.FirstOrDefault(file => NameOf(file).StartsWith(name, StringComparison.Ordinal))).FirstOrDefault(file => file is not null);
            if (train is not null && test is not null)
                return (train, test);
        }

        return null;
    }

    /// <summary>A file's name without ending and without COCO's <c>instances_</c>: <c>train2017</c>.</summary>
    private static string NameOf(string file)
    {
        var name = Path.GetFileNameWithoutExtension(file);
        return name.StartsWith("instances_", StringComparison.Ordinal) ? name["instances_".Length..] : name;
    }

    // COCO keeps train2017/ beside annotations/; others images/train2017/, or all images in one folder.
    private static string ImagesFor(string folder, string file)
    {
        string[] places = [Path.Combine(folder, NameOf(file)), Path.Combine(folder, "images", NameOf(file)), Path.Combine(folder, "images")];
        return places.FirstOrDefault(Directory.Exists) ?? folder;
    }
}
