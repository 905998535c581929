namespace FilterPruning.Storage;

/// <summary>A tensor in a <c>.pth</c> file: a view of one of the file's storages, which several tensors may share. Its numbers are read by <see cref="PthFile.Read(PthTensor)"/>.</summary>
public sealed class PthTensor
{
    internal PthTensor(PthStorage storage, long offset, long[] shape, long[] strides, bool requiresGrad)
    {
        Storage = storage;
        Offset = offset;
        Shape = Array.AsReadOnly(shape);
        Strides = Array.AsReadOnly(strides);
        RequiresGrad = requiresGrad;
    }

    /// <summary>The same view of the same storage.</summary>
    internal PthTensor(PthTensor other, bool requiresGrad)
    {
        (Storage, Offset, Shape, Strides, RequiresGrad) = (other.Storage, other.Offset, other.Shape, other.Strides, requiresGrad);
    }

    /// <summary>The element type.</summary>
    public ScalarType DType => Storage.DType;

    /// <summary>The shape; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The step in elements along each dimension; never negative.</summary>
    public IReadOnlyList<long> Strides { get; }

    /// <summary>The first element's place in the storage, in elements.</summary>
    public long Offset { get; }

    /// <summary>Whether it was saved as a parameter or with gradients wanted.</summary>
    public bool RequiresGrad { get; }

    /// <summary>The name of the storage in the file. Tensors with the same one share memory when PyTorch loads them; here each is read for itself.</summary>
    public string StorageKey => Storage.Key;

    internal PthStorage Storage { get; }

    /// <summary>The element type and shape, such as <c>Float32[64, 3, 7, 7]</c>.</summary>
    public override string ToString() => $"{DType}[{string.Join(", ", Shape)}]";
}
