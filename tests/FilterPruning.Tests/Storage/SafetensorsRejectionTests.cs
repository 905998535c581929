using FilterPruning.Storage;
using static FilterPruning.Tests.Storage.SafetensorsBytes;

namespace FilterPruning.Tests.Storage;

public sealed class SafetensorsRejectionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private ModelFileException Rejected(ModelFileErrorKind kind, byte[] content)
    {
        var path = _folder.Write("broken.safetensors", content);
        var error = Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(path).Dispose());
        Assert.Equal(kind, error.Kind);
        Assert.Equal(path, error.FilePath);
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        return error;
    }

    private ModelFileException Rejected(ModelFileErrorKind kind, string header, int dataBytes = 0) => Rejected(kind, SafetensorsBytes.Build(header, dataBytes));

    [Fact]
    public void A_missing_file() =>
        Assert.Equal(ModelFileErrorKind.NotFound, Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(_folder["none"])).Kind);

    [Fact]
    public void A_missing_folder() =>
        Assert.Equal(ModelFileErrorKind.NotFound, Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(_folder["none/none"])).Kind);

    [Fact]
    public void A_folder() =>
        Assert.Equal(ModelFileErrorKind.ReadFailed, Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(_folder["."])).Kind);

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void Too_few_bytes_for_a_header_length(int length) => Rejected(ModelFileErrorKind.FileTooShort, new byte[length]);

    [Theory]
    [InlineData(100_000_001)]
    [InlineData(ulong.MaxValue)]
    [InlineData(1UL << 63)]
    public void A_header_over_the_limit_with_both_numbers(ulong length)
    {
        var error = Rejected(ModelFileErrorKind.HeaderTooLarge, [.. BitConverter.GetBytes(length), (byte)'{', (byte)'}']);
        Assert.Contains($"{length}", error.Message, StringComparison.Ordinal);
        Assert.Contains("100000000", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_header_longer_than_the_file_without_allocating_it()
    {
        byte[] content = [.. BitConverter.GetBytes(99_999_999UL), (byte)'{', (byte)'}'];
        var before = GC.GetAllocatedBytesForCurrentThread();
        Rejected(ModelFileErrorKind.HeaderBeyondFile, content);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" {}")]
    [InlineData("[]")]
    public void A_header_that_does_not_begin_with_a_brace(string header) => Rejected(ModelFileErrorKind.HeaderStart, header);

    [Fact]
    public void A_header_that_is_not_utf8() => Rejected(ModelFileErrorKind.HeaderNotUtf8, SafetensorsBytes.Build([(byte)'{', (byte)'"', 0xC3, 0x28, (byte)'"', (byte)'}']));

    [Theory]
    [InlineData("{")]
    [InlineData("{}x")]
    [InlineData("{}{}")]
    [InlineData("{} \0")]
    [InlineData("{\"a\":}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",}}")]
    [InlineData("{\"\\ud800\":1}")]
    [InlineData("{/* */}")]
    public void A_header_that_is_not_json(string header) => Rejected(ModelFileErrorKind.HeaderNotJson, header);

    [Fact]
    public void A_header_nested_without_end() =>
        Rejected(ModelFileErrorKind.HeaderNotJson, "{\"a\":{\"x\":" + new string('[', 100_000));

    [Theory]
    [InlineData("{\"a\":[]}")]
    [InlineData("{\"a\":null}")]
    [InlineData("{\"a\":{}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}")]
    public void An_entry_without_its_three_fields(string header) => Rejected(ModelFileErrorKind.InvalidEntry, header, 4);

    [Fact]
    public void A_name_that_occurs_twice() =>
        Rejected(ModelFileErrorKind.DuplicateKey, $"{{{Entry("a", "U8", "[1]", "[0,1]")},{Entry("a", "U8", "[1]", "[1,2]")}}}", 2);

    [Fact]
    public void A_name_that_occurs_twice_by_an_escape() =>
        Rejected(ModelFileErrorKind.DuplicateKey, $"{{{Entry("a", "U8", "[1]", "[0,1]")},{Entry("\\u0061", "U8", "[1]", "[1,2]")}}}", 2);

    [Theory]
    [InlineData("\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]")]
    [InlineData("\"dtype\":\"U8\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,1]")]
    [InlineData("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"data_offsets\":[0,1]")]
    public void A_field_that_occurs_twice(string fields) => Rejected(ModelFileErrorKind.DuplicateKey, $"{{\"a\":{{{fields}}}}}", 1);

    [Theory]
    [InlineData("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}")]
    [InlineData("{\"__metadata__\":{},\"__metadata__\":{}}")]
    public void Metadata_that_occur_twice(string header) => Rejected(ModelFileErrorKind.DuplicateKey, header);

    [Theory]
    [InlineData("null")]
    [InlineData("\"text\"")]
    [InlineData("[]")]
    [InlineData("{\"a\":1}")]
    [InlineData("{\"a\":{}}")]
    [InlineData("{\"a\":null}")]
    public void Metadata_that_are_not_strings(string metadata) => Rejected(ModelFileErrorKind.InvalidMetadata, $"{{\"__metadata__\":{metadata}}}");

    [Theory]
    [InlineData("\"F4\"")]
    [InlineData("\"f32\"")]
    [InlineData("\"C64\"")]
    [InlineData("\"U64\"")]
    [InlineData("\"\"")]
    [InlineData("3")]
    [InlineData("null")]
    public void An_unknown_dtype(string dtype)
    {
        var error = Rejected(ModelFileErrorKind.UnknownDType, $"{{\"a\":{{\"dtype\":{dtype},\"shape\":[1],\"data_offsets\":[0,4]}}}}", 4);
        Assert.Contains("BF16", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[-1]")]
    [InlineData("[1.5]")]
    [InlineData("[1e2]")]
    [InlineData("[\"1\"]")]
    [InlineData("[[1]]")]
    [InlineData("[9223372036854775808]")]
    [InlineData("1")]
    [InlineData("null")]
    [InlineData("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]")]
    public void A_shape_that_is_no_list_of_sizes(string shape) => Rejected(ModelFileErrorKind.InvalidShape, $"{{{Entry("a", "U8", shape, "[0,1]")}}}", 1);

    [Theory]
    [InlineData("F32", "[4611686018427387904]")]
    [InlineData("U8", "[4294967296,4294967296]")]
    [InlineData("F64", "[9223372036854775807,9223372036854775807,9223372036854775807]")]
    [InlineData("U8", "[4294967296,4294967296,0]")]
    public void A_shape_whose_bytes_overflow(string dtype, string shape) => Rejected(ModelFileErrorKind.ShapeOverflow, $"{{{Entry("a", dtype, shape, "[0,0]")}}}");

    [Theory]
    [InlineData("[4,0]")]
    [InlineData("[-4,0]")]
    [InlineData("[0]")]
    [InlineData("[0,4,4]")]
    [InlineData("[]")]
    [InlineData("[0,4.0]")]
    [InlineData("[0,18446744073709551615]")]
    [InlineData("{}")]
    public void Offsets_that_are_no_pair(string offsets) => Rejected(ModelFileErrorKind.InvalidOffsets, $"{{{Entry("a", "F32", "[1]", offsets)}}}", 4);

    [Theory]
    [InlineData("[0,8]", 4)]
    [InlineData("[4,12]", 11)]
    [InlineData("[9223372036854775799,9223372036854775807]", 4)]
    public void Offsets_behind_the_end(string offsets, int dataBytes) => Rejected(ModelFileErrorKind.OffsetsBeyondBuffer, $"{{{Entry("a", "F32", "[2]", offsets)}}}", dataBytes);

    [Theory]
    [InlineData("F32", "[3]", "[0,8]")]
    [InlineData("F16", "[2]", "[0,8]")]
    [InlineData("U8", "[0]", "[0,8]")]
    [InlineData("F32", "[]", "[0,8]")]
    public void Offsets_that_do_not_fit_the_shape(string dtype, string shape, string offsets) =>
        Rejected(ModelFileErrorKind.SizeMismatch, $"{{{Entry("a", dtype, shape, offsets)}}}", 8);

    [Theory]
    [InlineData("[0,4]", "[2,6]")]
    [InlineData("[2,6]", "[0,4]")]
    [InlineData("[0,4]", "[0,4]")]
    public void Tensors_that_share_bytes(string first, string second) =>
        Rejected(ModelFileErrorKind.OverlappingOffsets, $"{{{Entry("a", "U8", "[4]", first)},{Entry("b", "U8", "[4]", second)}}}", 6);

    [Theory]
    [InlineData("[1,5]", "[5,9]")]
    [InlineData("[0,4]", "[5,9]")]
    public void Bytes_between_tensors(string first, string second) =>
        Rejected(ModelFileErrorKind.HoleInBuffer, $"{{{Entry("a", "U8", "[4]", first)},{Entry("b", "U8", "[4]", second)}}}", 9);

    [Fact]
    public void Bytes_behind_the_last_tensor() => Rejected(ModelFileErrorKind.TrailingBytes, $"{{{Entry("a", "U8", "[4]", "[0,4]")}}}", 5);

    [Fact]
    public void Bytes_without_any_tensor() => Rejected(ModelFileErrorKind.TrailingBytes, "{}", 1);

    [Fact]
    public void A_file_that_became_shorter_after_it_was_opened()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows does not let another writer shorten an open file.");
        var path = _folder.Write("short.safetensors", SafetensorsBytes.Build($"{{{Entry("a", "U8", "[4]", "[0,4]")}}}", 4));
        using var file = SafetensorsFile.Open(path);
        using (var other = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            other.SetLength(other.Length - 1);
        Assert.Equal(ModelFileErrorKind.ReadFailed, Assert.Throws<ModelFileException>(() => file.Read("a")).Kind);
    }
}
