using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using FilterPruning.Storage;
using static FilterPruning.Tests.Storage.SafetensorsBytes;

namespace FilterPruning.Tests.Storage;

public sealed class SafetensorsFileTests : IDisposable
{
    private static readonly ScalarType[] AllTypes =
    [
        ScalarType.Float16, ScalarType.BFloat16, ScalarType.Float32, ScalarType.Float64,
        ScalarType.Int8, ScalarType.Byte, ScalarType.Int16, ScalarType.Int32, ScalarType.Int64, ScalarType.Bool,
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_element_type_comes_back_in_one_file()
    {
        using var scope = NewDisposeScope();
        var source = arange(0, 24, ScalarType.Float32).reshape(2, 3, 4);
        var written = AllTypes.ToDictionary(type => $"tensor.{type}", type => (type == ScalarType.Bool ? source.remainder(2) : source).to(type));
        SafetensorsFile.Write(_folder["a"], written);

        using var file = SafetensorsFile.Open(_folder["a"]);
        Assert.Equal(written.Keys, file.Names);
        Assert.Equal(written.Keys, file.Entries.Keys);
        var read = file.ReadAll();
        Assert.Equal(written.Keys, read.Keys);
        foreach (var (name, tensor) in written)
        {
            Assert.Equal(tensor.dtype, read[name].dtype);
            Assert.Equal([2, 3, 4], read[name].shape);
            Assert.Equal([2, 3, 4], file.Describe(name).Shape);
            Assert.True(tensor.equal(read[name]).all().item<bool>(), name);
        }
    }

    [Fact]
    public void The_bytes_are_those_of_the_specification()
    {
        using var scope = NewDisposeScope();
        SafetensorsFile.Write(
            _folder["a"],
            [new("half", tensor(new[] { 1f, -2f }).to(ScalarType.Float16)), new("word", tensor(0x01020304))],
            new Dictionary<string, string> { ["z"] = "1", ["a"] = "\"ü\"" });
        var bytes = File.ReadAllBytes(_folder["a"]);

        // Written out by hand: the order of the header is the caller's, the wider type lies first, and spaces pad to a multiple of 8.
        var header = """{"__metadata__":{"a":"\"ü\"","z":"1"},"half":{"dtype":"F16","shape":[2],"data_offsets":[4,8]},"word":{"dtype":"I32","shape":[],"data_offsets":[0,4]}}""";
        var padded = header + new string(' ', (8 - (Encoding.UTF8.GetByteCount(header) % 8)) % 8);
        Assert.Equal((ulong)Encoding.UTF8.GetByteCount(padded), BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        Assert.Equal(padded, Encoding.UTF8.GetString(bytes, 8, bytes.Length - 16));
        Assert.Equal([4, 3, 2, 1, 0x00, 0x3C, 0x00, 0xC0], bytes[^8..]);
    }

    [Fact]
    public void Every_tensor_begins_at_a_multiple_of_its_element_size()
    {
        using var scope = NewDisposeScope();
        SafetensorsFile.Write(_folder["a"], AllTypes.Select(type => new KeyValuePair<string, Tensor>($"{type}", ones(3, type))));
        var headerLength = (long)BinaryPrimitives.ReadUInt64LittleEndian(File.ReadAllBytes(_folder["a"]));
        using var file = SafetensorsFile.Open(_folder["a"]);
        Assert.Equal(0, headerLength % 8);
        Assert.All(file.Entries.Values, entry => Assert.Equal(0, entry.Begin % (entry.ByteCount / 3)));
    }

    [Fact]
    public void The_same_tensors_give_the_same_bytes_whatever_the_order_of_the_metadata()
    {
        using var value = ones(5);
        SafetensorsFile.Write(_folder["a"], [new("x", value)], new Dictionary<string, string> { ["p"] = "1", ["q"] = "2" });
        SafetensorsFile.Write(_folder["b"], [new("x", value)], new Dictionary<string, string> { ["q"] = "2", ["p"] = "1" });
        Assert.Equal(File.ReadAllBytes(_folder["a"]), File.ReadAllBytes(_folder["b"]));
    }

    [Fact]
    public void Views_scalars_empty_tensors_and_parameters_are_written_as_what_they_show()
    {
        using var scope = NewDisposeScope();
        var matrix = arange(0, 12, ScalarType.Float32).reshape(3, 4);
        var parameter = new TorchSharp.Modules.Parameter(matrix.clone());
        var tensors = new Dictionary<string, Tensor>
        {
            ["transposed"] = matrix.t(),
            ["column"] = matrix[.., 1],
            ["expanded"] = matrix[0, 3].expand(2, 2),
            ["scalar"] = matrix[2, 3],
            ["empty"] = zeros(0, 4, ScalarType.Int64),
            ["none"] = zeros(0, ScalarType.Bool),
            ["parameter"] = parameter,
        };
        SafetensorsFile.Write(_folder["a"], tensors);
        using var file = SafetensorsFile.Open(_folder["a"]);
        foreach (var (name, tensor) in tensors)
        {
            var read = file.Read(name);
            Assert.Equal(tensor.shape, read.shape);
            Assert.Equal(tensor.dtype, read.dtype);
            Assert.False(read.requires_grad);
            Assert.True(tensor.equal(read).all().item<bool>(), name);
        }
    }

    [Fact]
    public void Metadata_and_names_of_any_text_come_back()
    {
        using var value = ones(1);
        var metadata = new Dictionary<string, string> { [""] = "", ["recipe"] = "{\"a\": [1, 2]}\n\t\0\\", ["ключ"] = "🙂" };
        SafetensorsFile.Write(_folder["a"], [new("", value), new("a\"b/..\\ü🙂", value)], metadata);
        using var file = SafetensorsFile.Open(_folder["a"]);
        Assert.Equal(metadata, file.Metadata);
        Assert.Equal(["", "a\"b/..\\ü🙂"], file.Names);
    }

    [Fact]
    public void An_empty_file_of_no_tensors_is_valid()
    {
        SafetensorsFile.Write(_folder["a"], []);
        using var file = SafetensorsFile.Open(_folder["a"]);
        Assert.Empty(file.Entries);
        Assert.Empty(file.Metadata);
        Assert.Empty(file.ReadAll());
    }

    [Fact]
    public void Other_writers_padding_order_and_extra_fields_are_read()
    {
        var header = """{"b":{"data_offsets":[2,4],"shape":[1],"new":{"x":[1,{}]},"dtype":"I16"},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}   """;
        using var file = SafetensorsFile.Open(_folder.Write("a", SafetensorsBytes.Build(header, 4)));
        Assert.Equal(["b", "a"], file.Names);
        using var b = file.Read("b");
        Assert.Equal(0x0302, b.ReadCpuInt16(0));
    }

    [Fact]
    public void A_truth_value_other_than_0_and_1_reads_as_true()
    {
        using var file = SafetensorsFile.Open(_folder.Write("a", SafetensorsBytes.Build($"{{{Entry("a", "BOOL", "[3]", "[0,3]")}}}", 3)));
        using var read = file.Read("a");
        Assert.Equal([0, 1, 1], read.bytes.ToArray());
    }

    [Fact]
    public void An_unknown_name_is_refused_with_a_near_miss()
    {
        using var value = ones(1);
        SafetensorsFile.Write(_folder["a"], [new("layer1.conv.weight", value)]);
        using var file = SafetensorsFile.Open(_folder["a"]);
        var error = Assert.Throws<ArgumentException>(() => file.Read("layer1.conv.weigth"));
        Assert.Contains("\"layer1.conv.weight\"", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => file.Describe("x"));
    }

    [Fact]
    public void Everything_that_cannot_be_written_is_listed_and_the_old_file_stays()
    {
        using var scope = NewDisposeScope();
        _folder.Write("a", 1, 2, 3);
        var error = Assert.Throws<ArgumentException>(() => SafetensorsFile.Write(
            _folder["a"],
            [new("x", ones(1)), new("x", ones(1)), new("__metadata__", ones(1)), new("c", ones(1, ScalarType.ComplexFloat32)), new("s", ones(2).to_sparse())]));
        Assert.Contains("\"x\" occurs twice", error.Message, StringComparison.Ordinal);
        Assert.Contains("\"__metadata__\" is reserved", error.Message, StringComparison.Ordinal);
        Assert.Contains("\"c\" is ComplexFloat32", error.Message, StringComparison.Ordinal);
        Assert.Contains("\"s\" is sparse", error.Message, StringComparison.Ordinal);
        Assert.Equal([1, 2, 3], File.ReadAllBytes(_folder["a"]));
        Assert.Equal(["a"], _folder.Files);
    }

    [Fact]
    public void A_failed_write_leaves_nothing_behind()
    {
        using var value = ones(1);
        var error = Assert.Throws<ModelFileException>(() => SafetensorsFile.Write(_folder["none/a"], [new("x", value)]));
        Assert.Equal(ModelFileErrorKind.WriteFailed, error.Kind);
        Directory.CreateDirectory(_folder["target"]);
        Assert.Equal(ModelFileErrorKind.WriteFailed, Assert.Throws<ModelFileException>(() => SafetensorsFile.Write(_folder["target"], [new("x", value)])).Kind);
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void A_file_is_replaced_while_it_is_open_for_reading()
    {
        using var one = ones(2);
        using var two = full(2, 2f);
        SafetensorsFile.Write(_folder["a"], [new("x", one)]);
        using var opened = SafetensorsFile.Open(_folder["a"]);
        SafetensorsFile.Write(_folder["a"], [new("x", two)]);
        using var old = opened.Read("x");
        using var reopened = SafetensorsFile.Open(_folder["a"]);
        using var current = reopened.Read("x");
        Assert.Equal([1f, 1f], old.data<float>().ToArray());
        Assert.Equal([2f, 2f], current.data<float>().ToArray());
    }

    [Fact]
    public void Reading_and_writing_leave_no_tensor_behind()
    {
        using var matrix = ones(3, 4);
        using var view = matrix.t();
        SafetensorsFile.Write(_folder["a"], [new("x", view), new("flag", view)]);
        var live = LiveTensors.Settled();
        SafetensorsFile.Write(_folder["a"], [new("x", view), new("flag", view)]);
        using (var file = SafetensorsFile.Open(_folder["a"]))
        {
            foreach (var tensor in file.ReadAll().Values)
                tensor.Dispose();
        }

        Assert.Equal(live, Tensor.TotalCount);
    }

    [Fact]
    public void Read_all_is_owned_by_the_callers_scope()
    {
        using var value = ones(1);
        SafetensorsFile.Write(_folder["a"], [new("x", value)]);
        Tensor kept;
        using (NewDisposeScope())
        {
            using var file = SafetensorsFile.Open(_folder["a"]);
            kept = file.ReadAll()["x"];
            Assert.False(kept.IsInvalid);
        }

        Assert.True(kept.IsInvalid);
    }

    [Fact]
    public void The_header_is_json_that_another_parser_reads()
    {
        using var value = ones(2, 3);
        SafetensorsFile.Write(_folder["a"], [new("x", value)]);
        var bytes = File.ReadAllBytes(_folder["a"]);
        using var json = JsonDocument.Parse(bytes.AsMemory(8, (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes)));
        Assert.Equal("F32", json.RootElement.GetProperty("x").GetProperty("dtype").GetString());
    }
}
