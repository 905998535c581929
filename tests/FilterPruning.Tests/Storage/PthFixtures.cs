using System.IO.Compression;

namespace FilterPruning.Tests.Storage;

/// <summary>The files of tests/fixtures/pth and the formula their numbers follow (make_pth.py), and archives made by hand.</summary>
internal static class PthFixtures
{
    public static string Fixture(string name) => Path.Combine(AppContext.BaseDirectory, "fixtures", "pth", name);

    public static Tensor Values(ScalarType type, params long[] shape)
    {
        var count = shape.Aggregate(1L, (product, size) => product * size);
        var raw = arange(count).mul(7).add(3).remainder(17);
        var numbers = type switch
        {
            ScalarType.Bool => raw.gt(8),
            ScalarType.Byte => raw,
            ScalarType.Int8 or ScalarType.Int16 or ScalarType.Int32 or ScalarType.Int64 => raw.sub(8),
            _ => raw.sub(8).to(ScalarType.Float32).div(4),
        };
        return numbers.to(type).reshape(shape);
    }

    /// <summary>An archive with the given pickle and two storages of 16 bytes, "0" and "1".</summary>
    public static string Archive(TemporaryFolder folder, params ReadOnlySpan<byte> pickle)
    {
        var path = folder["made.pth"];
        File.Delete(path);
        using var zip = ZipFile.Open(path, ZipArchiveMode.Create);
        Add(zip, "archive/data.pkl", pickle);
        Add(zip, "archive/data/0", new byte[16]);
        Add(zip, "archive/data/1", new byte[16]);
        return path;
    }

    public static void Add(ZipArchive zip, string name, ReadOnlySpan<byte> content, CompressionLevel level = CompressionLevel.NoCompression)
    {
        using var stream = zip.CreateEntry(name, level).Open();
        stream.Write(content);
    }
}
