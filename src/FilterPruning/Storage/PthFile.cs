namespace FilterPruning.Storage;

/// <summary>
/// A file written by <c>torch.save</c> (PyTorch 1.6 and later), open for reading. Such a file is a program for Python's pickle machine; this reader runs no code:
/// it understands the few names that tensors and plain data need (<c>collections.OrderedDict</c>, <c>torch._utils._rebuild_tensor_v2</c> and <c>_rebuild_parameter</c>, the storages,
/// <c>torch.dtype</c>, <c>torch.Size</c>, <c>torch.device</c>), and a few that training scripts put beside them (<c>argparse.Namespace</c>, <c>collections.Counter</c>, paths, NumPy scalars) as plain data, and refuses any other by name. The tree of values is read when the file is opened, numbers when a tensor is asked for.
/// Differs from <see cref="SafetensorsFile"/> in that tensors may be nested, strided and share storages. Reading from several threads is allowed.
/// Format: https://pytorch.org/docs/stable/notes/serialization.html.
/// </summary>
public sealed class PthFile : ITensorSource
{
    private readonly PthArchive _archive;

    private PthFile(string path, PthArchive archive, PthLimits limits)
    {
        Description = path;
        _archive = archive;
        Root = Unpickler.Read(archive.ReadPickle(limits), path, limits, archive.StorageBytes);
        Tensors = PthTensorWalk.Find(Root, path, limits);
        Names = [.. Tensors.Keys];
    }

    /// <inheritdoc/>
    public string Description { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Empty: the format has no strings beside the tensors. What a checkpoint says about itself is in <see cref="Root"/>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    /// <summary>
    /// What was saved: null, <see cref="bool"/>, <see cref="long"/>, <see cref="System.Numerics.BigInteger"/>, <see cref="double"/>, <see cref="string"/>, <c>byte[]</c>, <see cref="ScalarType"/> (a <c>torch.dtype</c>),
    /// <see cref="PthTensor"/>, <c>IReadOnlyList&lt;object?&gt;</c> (a list, tuple or <c>torch.Size</c>) or <c>IReadOnlyDictionary&lt;object, object?&gt;</c> (in its order; also a <c>Counter</c>, and a <c>Namespace</c> with its attributes). A <c>torch.device</c> is its name, a path its text.
    /// </summary>
    public object? Root { get; }

    /// <summary>Every tensor in <see cref="Root"/>, in its order, named by the keys on the way to it joined by dots: <c>model.conv1.weight</c>. Elements of lists are named by their number.</summary>
    public IReadOnlyDictionary<string, PthTensor> Tensors { get; }

    /// <summary>Opens a file and reads its tree. Dispose the result to close the file; tensors that were read stay valid.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">What is taken at most; null for the defaults.</param>
    /// <exception cref="ModelFileException">The file cannot be read, is damaged, or asks for anything but tensors and plain data; <see cref="ModelFileException.Kind"/> tells which.</exception>
    public static PthFile Open(string path, PthLimits? limits = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Open(path, FileAccessErrors.Translate(path, () => ByteSource.OpenFile(path)), limits ?? new PthLimits());
    }

    /// <summary>Opens bytes. The result owns the source; on an error it is disposed.</summary>
    internal static PthFile Open(string path, ByteSource source, PthLimits limits)
    {
        var archive = PthArchive.Open(path, source, limits);
        try
        {
            return new PthFile(path, archive, limits);
        }
        catch
        {
            archive.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public TensorInfo Describe(string name) => new(Find(name).DType, Find(name).Shape);

    /// <inheritdoc/>
    public Tensor Read(string name) => Read(Find(name));

    /// <summary>
    /// Reads one tensor in its own element type, on the CPU. The caller owns the result. It is contiguous, except where it repeats elements of its storage
    /// (an expanded tensor stays expanded, so that a small file cannot ask for a large memory).
    /// </summary>
    /// <param name="tensor">A tensor of this file, from <see cref="Tensors"/> or <see cref="Root"/>.</param>
    /// <exception cref="ModelFileException">The file cannot be read.</exception>
    public Tensor Read(PthTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();

        // Only the part of the storage that the tensor reaches is read.
        var span = tensor.Shape.Contains(0) ? 0 : 1 + tensor.Shape.Zip(tensor.Strides, (size, stride) => (size - 1) * stride).Sum();
        var isBool = tensor.DType == ScalarType.Bool;
        var stored = isBool ? ScalarType.Byte : tensor.DType;
        var elements = empty(span, stored, CPU);
        if (span > 0)
            _archive.ReadStorage(tensor.Storage, tensor.Offset * SafetensorsDTypes.SizeOf(tensor.DType), elements);
        if (isBool)
            elements = elements.ne(0);

        var result = elements.as_strided([.. tensor.Shape], [.. tensor.Strides]);
        return (result.numel() <= span ? result.contiguous() : result).MoveToOuterDisposeScope();
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _archive.Dispose();

    private PthTensor Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Tensors.TryGetValue(name, out var tensor) ? tensor : throw new ArgumentException($"{Description} has no tensor \"{name}\".{NearMiss.Hint(name, Names)}", nameof(name));
    }
}
