using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Data;

/// <summary>Images without annotations as a data set whose samples hold no object: for training that needs no labels. Loading labels from it is no error, there are none.</summary>
/// <remarks>Loads on demand, holds no image.</remarks>
public sealed class UnlabelledImages : IDetectionDataset
{
    private readonly Func<int, Tensor> _load;

    /// <summary>The images of a folder.</summary>
    /// <param name="folder">The pictures.</param>
    /// <param name="classNames">The classes of the model they are for, without the background; may be empty.</param>
    public UnlabelledImages(ImageFolder folder, IReadOnlyList<string>? classNames = null)
        : this(Path.GetFileName(Path.TrimEndingDirectorySeparator((folder ?? throw new ArgumentNullException(nameof(folder))).Folder)), folder.Count, folder.Load, classNames)
    {
    }

    /// <summary>Images by number.</summary>
    /// <param name="name">For reports and checkpoints.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="load">Loads the image of an index, always the same one: float32 <c>[3, H, W]</c>, RGB, 0 … 1; it is disposed after use. Called on a background thread while training.</param>
    /// <param name="classNames">The classes of the model they are for, without the background; may be empty.</param>
    public UnlabelledImages(string name, int count, Func<int, Tensor> load, IReadOnlyList<string>? classNames = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentNullException.ThrowIfNull(load);
        (Name, Count, _load, ClassNames) = (name, count, load, classNames ?? []);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames { get; }

    /// <inheritdoc/>
    public int Count { get; }

    /// <inheritdoc/>
    public DetectionSample Load(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        using var scope = NewDisposeScope();
        Tensor image = _load(index).MoveToOuterDisposeScope();
        return new DetectionSample(index, image, new Target(
            zeros(0, 4).MoveToOuterDisposeScope(), zeros(0, dtype: int64).MoveToOuterDisposeScope(), zeros([0, image.shape[1], image.shape[2]], uint8).MoveToOuterDisposeScope()));
    }
}
