using FilterPruning.Detection.Data;

namespace FilterPruning.Cli.Study;

/// <summary>The images of a study: test images to measure on, and unlabelled training images to repair from. The two have nothing in common.</summary>
/// <param name="Name"><c>pennfudan</c> or <c>shapescenes</c>.</param>
/// <param name="Test">What is measured on.</param>
/// <param name="Photos">float32 <c>[3, H, W]</c>, training images without their labels, in the order of a seeded permutation. The first is also what the model is traced and timed on.</param>
internal sealed record StudyData(string Name, IDetectionDataset Test, IReadOnlyList<Tensor> Photos) : IDisposable
{
    /// <summary>Of the split and the scenes: the same as that of <c>train</c> and <c>eval</c>, so that no test image was trained on.</summary>
    public const int Seed = 0;

    private const int DefaultPhotos = 25;
    private const int DefaultScenes = 100;

    /// <summary>How many images are measured on where nothing is said.</summary>
    public static int DefaultEvalImages(string data) => data == DataSource.ShapeScenesName ? DefaultScenes : DefaultPhotos;

    /// <summary>The name of a data set in result files.</summary>
    /// <exception cref="ArgumentException">It is a folder whose training images cannot be told from its test images.</exception>
    public static string NameOf(string data)
    {
        if (data == DataSource.ShapeScenesName)
            return data;
        if (!Directory.Exists(data))
            throw new ArgumentException($"There is no folder '{data}'. Give '{DataSource.ShapeScenesName}' or a Penn-Fudan folder (PNGImages, PedMasks) with --data.");
        return Directory.Exists(Path.Combine(data, "PedMasks"))
            ? "pennfudan"
            : throw new ArgumentException($"'{data}' is no Penn-Fudan folder (PNGImages, PedMasks), so nothing says which of its images are for tests alone. Give one, or '{DataSource.ShapeScenesName}', with --data.");
    }

    /// <param name="data">'shapescenes' or a Penn-Fudan folder.</param>
    /// <param name="evalImages">Test images to measure on.</param>
    /// <param name="photos">Training images to repair from, at least 1.</param>
    /// <exception cref="ArgumentException">There are not that many.</exception>
    public static StudyData Open(string data, int evalImages, int photos)
    {
        var name = NameOf(data);
        var test = DataFolders.Open(data, DataPart.Test, evalImages, Seed);
        if (test.Count < evalImages)
            throw new ArgumentException($"--eval-images is {evalImages}, but '{data}' has {test.Count} test images. Give at most that many.");
        var unlabelled = DataFolders.Unlabelled(data, photos, Seed);
        var found = new StudyData(name, test, unlabelled);
        if (unlabelled.Count == photos)
            return found;
        found.Dispose();
        throw new ArgumentException($"--images is {photos}, but '{data}' has {unlabelled.Count} training images. Give at most that many.");
    }

    public void Dispose()
    {
        foreach (var photo in Photos)
            photo.Dispose();
    }
}
