namespace FilterPruning.Storage;

/// <summary>The element types that the safetensors format and TorchSharp both have.</summary>
internal static class SafetensorsDTypes
{
    private static readonly (string Name, ScalarType DType, int Size)[] Table =
    [
        ("BOOL", ScalarType.Bool, 1),
        ("U8", ScalarType.Byte, 1),
        ("I8", ScalarType.Int8, 1),
        ("I16", ScalarType.Int16, 2),
        ("F16", ScalarType.Float16, 2),
        ("BF16", ScalarType.BFloat16, 2),
        ("I32", ScalarType.Int32, 4),
        ("F32", ScalarType.Float32, 4),
        ("I64", ScalarType.Int64, 8),
        ("F64", ScalarType.Float64, 8),
    ];

    /// <summary>The format's names of the known types, for messages.</summary>
    public static string KnownNames { get; } = string.Join(", ", Table.Select(row => row.Name));

    public static bool TryParse(string name, out ScalarType dtype)
    {
        foreach (var row in Table)
        {
            if (row.Name == name)
            {
                dtype = row.DType;
                return true;
            }
        }

        dtype = default;
        return false;
    }

    /// <summary>The format's name of a type, or null where it has none.</summary>
    public static string? NameOf(ScalarType dtype) => Array.Find(Table, row => row.DType == dtype).Name;

    /// <summary>Bytes of one element, or 0 for a type outside the table.</summary>
    public static int SizeOf(ScalarType dtype) => Array.Find(Table, row => row.DType == dtype).Size;

    /// <summary>Bytes that a shape takes, or null where the number overflows. A dimension of 0 does not hide an overflow of the others: libtorch multiplies those too.</summary>
    public static long? ByteCount(ScalarType dtype, IReadOnlyList<long> shape)
    {
        Int128 nonZero = SizeOf(dtype);
        var empty = false;
        foreach (var size in shape)
        {
            empty |= size == 0;
            nonZero *= Math.Max(size, 1);
            if (nonZero > long.MaxValue)
                return null;
        }

        return empty ? 0 : (long)nonZero;
    }
}
