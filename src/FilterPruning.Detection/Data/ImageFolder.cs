namespace FilterPruning.Detection.Data;

/// <summary>The images of a folder, without annotations: for repair, calibration and looking.</summary>
public sealed class ImageFolder
{
    private static readonly string[] Extensions = [".png", ".jpg", ".jpeg"];

    private ImageFolder(string folder, string[] paths)
    {
        Folder = folder;
        Paths = paths;
    }

    /// <summary>The folder that was given.</summary>
    public string Folder { get; }

    /// <summary>The image files, sorted by name (ordinal: upper case before lower case, the same on every platform).</summary>
    public IReadOnlyList<string> Paths { get; }

    /// <summary>The number of images.</summary>
    public int Count => Paths.Count;

    /// <summary>Lists the PNG and JPEG files directly in a folder; nothing is decoded yet.</summary>
    /// <exception cref="ImageException">There is no such folder, it cannot be read, or it holds no image.</exception>
    public static ImageFolder Open(string folder)
    {
        var paths = ListFiles(folder, Extensions);
        return paths.Length > 0
            ? new ImageFolder(folder, paths)
            : throw new ImageException($"The folder '{folder}' holds no image. Put files ending in {string.Join(", ", Extensions)} directly into it.");
    }

    /// <summary>A random choice of images, without repetition, in the order of their names.</summary>
    /// <param name="count">1 … Count.</param>
    /// <param name="seed">The same seed gives the same choice on every platform.</param>
    public ImageFolder Choose(int count, int seed)
    {
        if (count < 1 || count > Count)
            throw new ArgumentOutOfRangeException(nameof(count), count, $"The folder '{Folder}' holds {Count} images; choose 1 … {Count}.");
        var chosen = SampleOrder.Permutation(Count, seed, stream: 0)[..count];
        Array.Sort(chosen);
        return new ImageFolder(Folder, Array.ConvertAll(chosen, index => Paths[index]));
    }

    /// <summary>Reads an image: float32 <c>[3, H, W]</c>, RGB, 0 … 1; the caller's. See <see cref="ImageFile.Load(string)"/>.</summary>
    /// <param name="index">0 … Count − 1.</param>
    public Tensor Load(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        return ImageFile.Load(Paths[index]);
    }

    /// <summary>The files with one of the endings, in any case, sorted by name.</summary>
    internal static string[] ListFiles(string folder, params string[] extensions)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        try
        {
            return [.. Directory.EnumerateFiles(folder)
                .Where(path => extensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase))
                .OrderBy(Path.GetFileName, StringComparer.Ordinal)];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            var reason = error is DirectoryNotFoundException ? "there is no such folder" : error.Message;
            throw new ImageException($"The folder '{folder}' cannot be read: {reason}. Check the path.", error);
        }
    }
}
