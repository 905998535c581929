namespace FilterPruning.Detection.Data;

/// <summary>Finds the annotation file of a COCO-like folder.</summary>
internal static class CocoFolder
{
    /// <summary>The largest category id that may be a label: each label up to it costs a class.</summary>
    public const int MaximumCategoryId = 10_000;

    private static readonly string[] Names = ["annotations/instances.json", "trainval.json", "annotations.json", "instances.json"];

    /// <summary>The path of the annotation file.</summary>
    /// <exception cref="DatasetException">The folder is missing, or has no annotation file, or several of which none has a usual name.</exception>
    public static string FindAnnotations(string folder)
    {
        if (!Directory.Exists(folder))
            throw new DatasetException($"There is no folder '{folder}'. Give a folder with images/ and a COCO annotation file.");
        foreach (var name in Names)
        {
            if (File.Exists(Path.Combine(folder, name)))
                return Path.Combine(folder, name);
        }

        string[] places = [folder, Path.Combine(folder, "annotations")];
        var found = places.Where(Directory.Exists).SelectMany(place => Directory.EnumerateFiles(place, "*.json")).Order(StringComparer.Ordinal).ToArray();
        return found switch
        {
            [var only] => only,
            [] => throw new DatasetException($"'{folder}' has no COCO annotation file. Put it at one of {string.Join(", ", Names)}, or name it with CocoDataset.Open."),
            _ => throw new DatasetException($"'{folder}' has several json files: {string.Join(", ", found.Select(Path.GetFileName))}. Name the one to use with CocoDataset.Open."),
        };
    }
}
