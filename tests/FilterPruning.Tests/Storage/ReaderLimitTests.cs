using System.Runtime.InteropServices;
using FilterPruning.Planning;
using FilterPruning.Storage;

namespace FilterPruning.Tests.Storage;

public sealed class ReaderLimitTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static ModelFileException Rejected(ModelFileErrorKind kind, string header, SafetensorsLimits limits, int data = 0)
    {
        var error = Assert.Throws<ModelFileException>(() => SafetensorsFile.Open("x", ByteSource.Of(SafetensorsBytes.Build(header, data)), limits).Dispose());
        Assert.Equal(kind, error.Kind);
        return error;
    }

    [Fact]
    public void More_tensors_than_the_limit()
    {
        var header = "{" + string.Join(',', Enumerable.Range(0, 5).Select(i => SafetensorsBytes.Entry($"t{i}", "U8", "[0]", "[0,0]"))) + "}";
        Assert.Contains("SafetensorsLimits.Tensors", Rejected(ModelFileErrorKind.LimitExceeded, header, new SafetensorsLimits { Tensors = 4 }).Message, StringComparison.Ordinal);
        using var file = SafetensorsFile.Open("x", ByteSource.Of(SafetensorsBytes.Build(header)), new SafetensorsLimits { Tensors = 5 });
        Assert.Equal(5, file.Names.Count);
    }

    [Fact]
    public void More_metadata_than_the_limit() =>
        Rejected(ModelFileErrorKind.LimitExceeded, """{"__metadata__":{"a":"1","b":"2","c":"3"}}""", new SafetensorsLimits { MetadataEntries = 2 });

    [Fact]
    public void A_longer_name_than_the_limit()
    {
        var name = new string('n', 4097);
        var error = Rejected(ModelFileErrorKind.LimitExceeded, "{" + SafetensorsBytes.Entry(name, "U8", "[0]", "[0,0]") + "}", new SafetensorsLimits());
        Assert.InRange(error.Message.Length, 1, 300);
        Rejected(ModelFileErrorKind.LimitExceeded, "{" + SafetensorsBytes.Entry(new string('n', 1_000_000), "U8", "[0]", "[0,0]") + "}", new SafetensorsLimits());
    }

    [Fact]
    public void A_longer_header_than_a_lowered_limit() =>
        Assert.Contains("the limit is 10", Rejected(ModelFileErrorKind.HeaderTooLarge, "{           }", new SafetensorsLimits { HeaderBytes = 10 }).Message, StringComparison.Ordinal);

    [Fact]
    public void A_terabyte_of_tensors_in_a_file_of_a_kilobyte_takes_no_memory()
    {
        var bytes = SafetensorsBytes.Build("{" + SafetensorsBytes.Entry("a", "F32", "[274877906944]", "[0,1099511627776]") + "}", 900);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<ModelFileException>(() => SafetensorsFile.Open("x", ByteSource.Of(bytes), new SafetensorsLimits()).Dispose());
        Assert.Equal(ModelFileErrorKind.OffsetsBeyondBuffer, error.Kind);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000);
    }

    [Fact]
    public void A_sparse_file_of_a_terabyte_is_read_no_further_than_its_header()
    {
        var path = _folder["sparse.safetensors"];
        using (var file = new FileStream(path, FileMode.Create))
        {
            file.Write(SafetensorsBytes.Build("{}"));
            try
            {
                file.SetLength(1L << 40);
            }
            catch (IOException error)
            {
                Assert.Skip($"The file system takes no file of a terabyte: {error.Message}");
            }
        }

        Assert.Equal(ModelFileErrorKind.TrailingBytes, Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(path).Dispose()).Kind);
    }

    [Fact]
    public void Limits_are_handed_on_to_either_format()
    {
        var safetensors = _folder.Write("a.safetensors", SafetensorsBytes.Build("{" + SafetensorsBytes.Entry("a", "U8", "[0]", "[0,0]") + "}"));
        Assert.Throws<ModelFileException>(() => ModelFile.Open(safetensors, new ModelFileLimits { Safetensors = new() { Tensors = 0 } }));
        Assert.Throws<ModelFileException>(() => ModelFile.Open(PthFixtures.Fixture("dense.pth"), new ModelFileLimits { Pth = new() { Entries = 1 } }));
        ModelFile.Open(PthFixtures.Fixture("dense.pth"), new ModelFileLimits()).Dispose();
    }

    [Fact]
    public void A_named_pipe_is_refused_instead_of_waited_for()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Named pipes are files on Unix only.");
        Assert.Equal(0, MakePipe(_folder["pipe"], 0x180));
        Assert.Equal(ModelFileErrorKind.UnknownFormat, Assert.Throws<ModelFileException>(() => ModelFile.Open(_folder["pipe"])).Kind);
        Assert.Equal(ModelFileErrorKind.FileTooShort, Assert.Throws<ModelFileException>(() => SafetensorsFile.Open(_folder["pipe"])).Kind);
        Assert.Equal(ModelFileErrorKind.InvalidZip, Assert.Throws<ModelFileException>(() => PthFile.Open(_folder["pipe"])).Kind);
        Assert.Equal(ModelFileErrorKind.UnknownFormat, Assert.Throws<ModelFileException>(() => ModelFile.Open("/dev/zero")).Kind);
    }

    [Fact]
    public void Names_out_of_a_file_cannot_write_to_the_terminal()
    {
        var error = Rejected(ModelFileErrorKind.UnknownDType, "{" + SafetensorsBytes.Entry(@"\u001b[2J\u202e\u0007", "??", "[0]", "[0,0]") + "}", new SafetensorsLimits());
        Assert.Contains(@"\u001b[2J\u202e\u0007", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', error.Message);
    }

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("a\nb\tc", "a\nb\tc")]
    [InlineData("a\rb", "a\\u000db")]
    [InlineData("\u001b[31m", "\\u001b[31m")]
    [InlineData("höhe … 😀", "höhe … 😀")]
    [InlineData("\u202eabc\u200f", "\\u202eabc\\u200f")]
    [InlineData("\u0085", "\\u0085")]
    public void Messages_are_safe_to_print(string given, string shown) => Assert.Equal(shown, new PruningException(given).Message);

    [Fact]
    public void Messages_end() => Assert.InRange(new PruningException(new string('x', 10_000_000)).Message.Length, 16_384, 16_500);

    [Fact]
    public void Half_a_surrogate_pair_is_no_plan()
    {
        Assert.Throws<PruningException>(() => PruningPlan.FromJson("{\"version\":1,\"a\ud800\":2}"));
        Assert.Throws<PruningException>(() => PruningPlan.FromJson("""{"version":1,"settings":"\ud800"}"""));
        Assert.Equal("\\ud800", new PruningException("\ud800").Message);
    }

    [Fact]
    public void A_plan_of_too_many_characters() =>
        Assert.Contains("67108864", Assert.Throws<PruningException>(() => PruningPlan.FromJson(new string(' ', (64 << 20) + 1))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_name_is_not_compared_with_names_of_any_length() => Assert.Null(NearMiss.Find(new string('a', 257), [new string('a', 257)]));

    [Fact]
    public void A_point_of_a_scan_without_a_role()
    {
        var lines = System.Text.Encoding.UTF8.GetString(new FilterPruning.Fuzz.Core.ScanTarget().Seeds().First()).Split('\n');
        lines[1] = "{}";
        Assert.Contains("no role", Assert.Throws<PruningException>(() => FilterPruning.Schedules.SensitivityFile.Parse("x", lines)).Message, StringComparison.Ordinal);
    }

    [DllImport("libc", EntryPoint = "mkfifo")]
    private static extern int MakePipe([MarshalAs(UnmanagedType.LPUTF8Str)] string path, uint mode);
}
