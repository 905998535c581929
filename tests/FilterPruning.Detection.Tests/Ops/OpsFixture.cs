using System.Runtime.InteropServices;
using System.Text.Json;

namespace FilterPruning.Detection.Tests.Ops;

/// <summary>The tensors of <c>tests/fixtures/ops</c>: inputs and torchvision's answers.</summary>
internal static class OpsFixture
{
    private static readonly Lazy<(JsonElement Index, Dictionary<string, byte[]> Data)> Files = new(Read);

    /// <summary>A tensor by name: float32, int64 (stored as int32) or uint8.</summary>
    public static Tensor Get(string name)
    {
        using var scope = NewDisposeScope();
        var entry = Files.Value.Index.GetProperty(name);
        var shape = entry.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()).ToArray();
        var count = (int)shape.Aggregate(1L, (product, size) => product * size);
        var bytes = Files.Value.Data[entry.GetProperty("file").GetString()!].AsSpan(entry.GetProperty("offset").GetInt32());
        var values = entry.GetProperty("dtype").GetString() switch
        {
            "f4" => tensor(MemoryMarshal.Cast<byte, float>(bytes)[..count].ToArray()),
            "i4" => tensor(MemoryMarshal.Cast<byte, int>(bytes)[..count].ToArray()).to(ScalarType.Int64),
            "u1" => tensor(bytes[..count].ToArray()),
            var other => throw new InvalidDataException($"Unknown dtype {other}."),
        };
        return values.view(shape).MoveToOuterDisposeScope();
    }

    public static void AssertClose(string name, Tensor actual, double tolerance)
    {
        using var expected = Get(name);
        Assert.Equal(expected.shape, actual.shape);
        Assert.InRange(RandomBoxes.LargestDifference(expected, actual), 0, tolerance);
    }

    public static void AssertSame(string name, Tensor actual) => Assert.Equal(Get(name).data<long>().ToArray(), actual.data<long>().ToArray());

    private static (JsonElement, Dictionary<string, byte[]>) Read()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !Directory.Exists(Path.Combine(folder.FullName, "tests", "fixtures", "ops")))
            folder = folder.Parent;
        var path = Path.Combine((folder ?? throw new DirectoryNotFoundException("tests/fixtures/ops lies in no parent folder.")).FullName, "tests", "fixtures", "ops");
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(path, "ops.json")));
        return (json.RootElement.GetProperty("tensors").Clone(), Directory.GetFiles(path, "*.bin").ToDictionary(file => Path.GetFileName(file), File.ReadAllBytes));
    }
}
