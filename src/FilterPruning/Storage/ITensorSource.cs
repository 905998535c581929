namespace FilterPruning.Storage;

/// <summary>
/// Named tensors that are read one at a time: a safetensors file, a <c>.pth</c> file or a dictionary in memory.
/// Names, shapes and element types are known at once; numbers are read on request.
/// </summary>
public interface ITensorSource : IDisposable
{
    /// <summary>What to call the source in messages: the path of the file.</summary>
    string Description { get; }

    /// <summary>The names of the tensors, in the order of the source.</summary>
    IReadOnlyList<string> Names { get; }

    /// <summary>The strings stored beside the tensors; empty where the format has none.</summary>
    IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Tells the shape and element type of one tensor without reading it.</summary>
    /// <exception cref="ArgumentException">No tensor has this name.</exception>
    TensorInfo Describe(string name);

    /// <summary>Reads one tensor in its own element type, on the CPU. The caller owns the result.</summary>
    /// <exception cref="ArgumentException">No tensor has this name.</exception>
    /// <exception cref="ModelFileException">The file cannot be read.</exception>
    Tensor Read(string name);
}
