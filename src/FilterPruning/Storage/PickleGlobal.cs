namespace FilterPruning.Storage;

/// <summary>What a callable global of a pickle stands for. Nothing else can be called.</summary>
internal enum PickleCallable
{
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Size,
    Device,
    Storage,
    Namespace,
    Counter,
    Path,
    Encode,
    NumpyType,
    NumpyScalar,
}

/// <summary>A class or function that a pickle may name. It is only a label: the reader knows what to do for each.</summary>
/// <param name="Name">Module and name, as in Python.</param>
/// <param name="Callable">What it stands for.</param>
/// <param name="StorageType">For a storage, its element type; null for one that TorchSharp has no tensors of.</param>
internal sealed record PickleGlobal(string Name, PickleCallable Callable, ScalarType? StorageType = null)
{
    private static readonly Dictionary<string, object> Allowed = Table();

    /// <summary>A <see cref="PickleGlobal"/>, or plain data for a <c>torch.dtype</c>: its <see cref="ScalarType"/>, or its name where TorchSharp has none. Null for everything else.</summary>
    public static object? Find(string module, string name) => Allowed.GetValueOrDefault($"{module}.{name}");

    private static Dictionary<string, object> Table()
    {
        var table = new Dictionary<string, object>(StringComparer.Ordinal);
        void Add(string name, PickleCallable callable, ScalarType? type = null) => table.Add(name, new PickleGlobal(name, callable, type));

        Add("collections.OrderedDict", PickleCallable.OrderedDict);
        Add("torch._utils._rebuild_tensor_v2", PickleCallable.RebuildTensor);
        Add("torch._utils._rebuild_parameter", PickleCallable.RebuildParameter);
        Add("torch.Size", PickleCallable.Size);
        Add("torch.device", PickleCallable.Device);

        // What checkpoints hold beside tensors: a script's arguments, a schedule's milestones, a best score. All become plain data.
        Add("argparse.Namespace", PickleCallable.Namespace);
        Add("collections.Counter", PickleCallable.Counter);
        foreach (var path in new[] { "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath" })
        {
            Add($"pathlib.{path}", PickleCallable.Path);
            Add($"pathlib._local.{path}", PickleCallable.Path); // Python 3.13
        }

        Add("_codecs.encode", PickleCallable.Encode);
        Add("numpy.dtype", PickleCallable.NumpyType);
        Add("numpy.core.multiarray.scalar", PickleCallable.NumpyScalar);
        Add("numpy._core.multiarray.scalar", PickleCallable.NumpyScalar); // NumPy 2

        (string Storage, string[] DTypes, ScalarType? Type)[] types =
        [
            ("Float", ["float32", "float"], ScalarType.Float32),
            ("Double", ["float64", "double"], ScalarType.Float64),
            ("Half", ["float16", "half"], ScalarType.Float16),
            ("BFloat16", ["bfloat16"], ScalarType.BFloat16),
            ("Long", ["int64", "long"], ScalarType.Int64),
            ("Int", ["int32", "int"], ScalarType.Int32),
            ("Short", ["int16", "short"], ScalarType.Int16),
            ("Char", ["int8"], ScalarType.Int8),
            ("Byte", ["uint8"], ScalarType.Byte),
            ("Bool", ["bool"], ScalarType.Bool),
            ("ComplexFloat", ["complex64", "cfloat"], null),
            ("ComplexDouble", ["complex128", "cdouble"], null),
            ("QInt8", ["qint8"], null),
            ("QUInt8", ["quint8"], null),
            ("QInt32", ["qint32"], null),
            ("Untyped", [], null),
        ];
        foreach (var (storage, dtypes, type) in types)
        {
            Add($"torch.{storage}Storage", PickleCallable.Storage, type);
            foreach (var dtype in dtypes)
                table.Add($"torch.{dtype}", type is { } known ? known : $"torch.{dtype}");
        }

        return table;
    }
}
