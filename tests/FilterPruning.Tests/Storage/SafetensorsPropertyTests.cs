using CsCheck;
using FilterPruning.Storage;

namespace FilterPruning.Tests.Storage;

public sealed class SafetensorsPropertyTests : IDisposable
{
    private static readonly Gen<(ScalarType Type, long[] Shape)> GenTensor = Gen.Select(
        Gen.OneOf<ScalarType>(
            ScalarType.Float16, ScalarType.BFloat16, ScalarType.Float32, ScalarType.Float64, ScalarType.Int8,
            ScalarType.Byte, ScalarType.Int16, ScalarType.Int32, ScalarType.Int64, ScalarType.Bool),
        Gen.Long[0, 5].Array[0, 4],
        (type, shape) => (type, shape));

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_written_is_read_for_any_types_and_shapes() =>
        Gen.Select(GenTensor.Array[0, 6], Gen.Dictionary(Gen.String, Gen.String)[0, 3], Gen.Int[0, 1 << 20]).Sample(
            (tensors, metadata, seed) =>
            {
                using var scope = NewDisposeScope();
                using var generator = new torch.Generator((ulong)seed);
                var written = tensors.Select((tensor, i) => new KeyValuePair<string, Tensor>($"t{i}", randint(0, 100, tensor.Shape, generator: generator).to(tensor.Type))).ToList();
                SafetensorsFile.Write(_folder["a"], written, metadata);

                using var file = SafetensorsFile.Open(_folder["a"]);
                Assert.Equal(metadata, file.Metadata);
                Assert.Equal(written.Count, file.Entries.Count);
                foreach (var (name, tensor) in written)
                {
                    var read = file.Read(name);
                    Assert.Equal(tensor.shape, read.shape);
                    Assert.Equal(tensor.dtype, read.dtype);
                    Assert.Equal(tensor.bytes.ToArray(), read.bytes.ToArray());
                }
            },
            iter: 80,
            threads: 1);

    [Fact]
    public void A_damaged_file_is_read_or_refused_and_nothing_else()
    {
        using var scope = NewDisposeScope();
        SafetensorsFile.Write(
            _folder["a"],
            [new("a", ones(3, 2)), new("b", zeros(4, ScalarType.Bool)), new("c", ones(1, ScalarType.Float16))],
            new Dictionary<string, string> { ["k"] = "v" });
        var valid = File.ReadAllBytes(_folder["a"]);
        var refused = 0;
        Gen.Select(Gen.Select(Gen.Int[0, valid.Length - 1], Gen.Byte).Array[1, 3], Gen.Int[-1, valid.Length]).Sample(
            (flips, cut) =>
            {
                var content = valid.ToArray();
                foreach (var (at, value) in flips)
                    content[at] = value;
                _folder.Write("b", cut < 0 || flips.Length > 1 ? content : content[..cut]);
                try
                {
                    using var file = SafetensorsFile.Open(_folder["b"]);
                    foreach (var tensor in file.ReadAll().Values)
                        tensor.Dispose();
                }
                catch (ModelFileException)
                {
                    refused++;
                }
            },
            iter: 1500,
            threads: 1);
        Assert.InRange(refused, 500, 1500);
    }
}
