using FilterPruning.Detection.Data;

namespace FilterPruning.Detection.Pipeline;

/// <summary>Where one image of a stream comes from. It is opened when its turn comes, not before. Immutable.</summary>
public sealed class ImageSource
{
    private readonly Func<Tensor> _open;

    private ImageSource(string name, Func<Tensor> open, bool owned)
    {
        ArgumentNullException.ThrowIfNull(name);
        (Name, _open, IsOwned) = (name, open, owned);
    }

    /// <summary>What results and errors call the image: its path, or the name that was given.</summary>
    public string Name { get; }

    // Whether the tensor is made for the pipeline and disposed by it.
    internal bool IsOwned { get; }

    /// <summary>A PNG or JPEG file, read as by <see cref="ImageFile.Load(string)"/>.</summary>
    /// <param name="path">The file.</param>
    public static ImageSource FromFile(string path) => new(path, () => ImageFile.Load(path), owned: true);

    /// <summary>The content of a PNG or JPEG file.</summary>
    /// <param name="name">A name for results and errors.</param>
    /// <param name="content">The bytes; they must not change until the result is there.</param>
    public static ImageSource FromBytes(string name, byte[] content)
    {
        ArgumentNullException.ThrowIfNull(content);
        return new ImageSource(name, () => ImageFile.Decode(content), owned: true);
    }

    /// <summary>An image that is in memory already.</summary>
    /// <param name="name">A name for results and errors.</param>
    /// <param name="image">float32 <c>[3, H, W]</c>, RGB, 0 … 1. Stays the caller's, who keeps it alive until the result is there.</param>
    public static ImageSource FromTensor(string name, Tensor image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return new ImageSource(name, () => image, owned: false);
    }

    internal Tensor Open() => _open();
}
