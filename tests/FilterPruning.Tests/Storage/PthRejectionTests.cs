using System.IO.Compression;
using System.Text;
using FilterPruning.Storage;
using static FilterPruning.Tests.Storage.PthFixtures;

namespace FilterPruning.Tests.Storage;

public sealed class PthRejectionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static ModelFileException Rejected(ModelFileErrorKind kind, string path, PthLimits? limits = null)
    {
        var error = Assert.Throws<ModelFileException>(() => PthFile.Open(path, limits).Dispose());
        Assert.True(kind == error.Kind, $"{kind} expected, got {error.Kind}: {error.Message}");
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        return error;
    }

    private ModelFileException RejectedPickle(ModelFileErrorKind kind, string latin1, PthLimits? limits = null) =>
        Rejected(kind, Archive(_folder, Encoding.Latin1.GetBytes(latin1)), limits);

    [Theory]
    [InlineData("hostile_system.pth", "posix.system")]
    [InlineData("hostile_os_system.pth", "os.system")]
    [InlineData("hostile_eval.pth", "builtins.eval")]
    [InlineData("hostile_getattr.pth", "builtins.getattr")]
    [InlineData("hostile_dotted.pth", "torch._utils._rebuild_tensor_v2.__globals__")]
    [InlineData("hostile_nested_reduce.pth", "posix.system")]
    public void A_file_that_wants_to_run_code_and_what_it_wanted(string name, string wanted)
    {
        var error = Rejected(ModelFileErrorKind.ForbiddenGlobal, Fixture(name));
        Assert.Contains(wanted, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hostile_memo_bomb.pth", ModelFileErrorKind.LimitExceeded)]
    [InlineData("hostile_cycle.pth", ModelFileErrorKind.LimitExceeded)]
    [InlineData("hostile_deep.pth", ModelFileErrorKind.LimitExceeded)]
    [InlineData("hostile_path.pth", ModelFileErrorKind.UnsafeEntryName)]
    [InlineData("hostile_small_storage.pth", ModelFileErrorKind.StorageSize)]
    [InlineData("hostile_missing_storage.pth", ModelFileErrorKind.MissingEntry)]
    [InlineData("hostile_inflated.pth", ModelFileErrorKind.CompressedEntry)]
    [InlineData("hostile_byteorder.pth", ModelFileErrorKind.ByteOrder)]
    [InlineData("hostile_outside.pth", ModelFileErrorKind.TensorOutsideStorage)]
    [InlineData("hostile_truncated_pickle.pth", ModelFileErrorKind.PickleTruncated)]
    [InlineData("hostile_truncated_zip.pth", ModelFileErrorKind.InvalidZip)]
    [InlineData("complex.pth", ModelFileErrorKind.UnknownDType)]
    [InlineData("torchscript.pth", ModelFileErrorKind.TorchScript)]
    public void A_hostile_or_foreign_file(string name, ModelFileErrorKind kind) => Rejected(kind, Fixture(name));

    [Fact]
    public void A_missing_file() => Rejected(ModelFileErrorKind.NotFound, _folder["none.pth"]);

    [Fact]
    public void A_file_that_is_no_zip() => Rejected(ModelFileErrorKind.InvalidZip, _folder.Write("x.pth", 1, 2, 3));

    [Fact]
    public void Two_entries_of_one_name()
    {
        var path = Archive(_folder, "\u0080\u0002N."u8);
        using (var zip = ZipFile.Open(path, ZipArchiveMode.Update))
            Add(zip, "archive/data/0", new byte[16]);
        Rejected(ModelFileErrorKind.DuplicateKey, path);
    }

    [Fact]
    public void More_entries_than_the_limit() => RejectedPickle(ModelFileErrorKind.LimitExceeded, "\u0080\u0002N.", new PthLimits { Entries = 2 });

    [Fact]
    public void A_pickle_longer_than_the_limit() => RejectedPickle(ModelFileErrorKind.LimitExceeded, "\u0080\u0002N.", new PthLimits { PickleBytes = 3 });

    [Fact]
    public void More_operations_than_the_limit() => RejectedPickle(ModelFileErrorKind.LimitExceeded, "\u0080\u0002N.", new PthLimits { Operations = 2 });

    [Fact]
    public void A_larger_memo_than_the_limit() => RejectedPickle(ModelFileErrorKind.LimitExceeded, "\u0080\u0002Nq\u0000q\u0001.", new PthLimits { MemoEntries = 1 });

    [Fact]
    public void A_memo_index_of_four_thousand_million_takes_no_memory()
    {
        using var file = PthFile.Open(Archive(_folder, Encoding.Latin1.GetBytes("\u0080\u0002Nr\u00ff\u00ff\u00ff\u00ff.")));
        Assert.Null(file.Root);
    }

    [Fact]
    public void A_list_copied_over_and_over() =>
        RejectedPickle(
            ModelFileErrorKind.LimitExceeded,
            "\u0080\u0002](" + string.Concat(Enumerable.Repeat("N", 100)) + "eq\u0000ctorch\nSize\nq\u0001" + string.Concat(Enumerable.Repeat("h\u0001h\u0000\u0085R", 20)) + ".",
            new PthLimits { Operations = 1000 });

    [Theory]
    [InlineData("\u0080\u0002X\u00ff\u00ff\u00ff\u00ff" + "abc")]
    [InlineData("\u0080\u0004\u008d\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff" + "abc")]
    [InlineData("\u0080\u0003\u0042\u00ff\u00ff\u00ff\u007f" + "abc")]
    [InlineData("\u0080\u0002\u008a\u00ff" + "abc")]
    [InlineData("\u0080\u0002cos")]
    [InlineData("\u0080\u0002N")]
    [InlineData("")]
    public void A_pickle_that_claims_more_than_it_has(string pickle) => RejectedPickle(ModelFileErrorKind.PickleTruncated, pickle);

    [Theory]
    [InlineData("\u0080\u0002I1\n.")]
    [InlineData("(ios\nsystem\n.")]
    [InlineData("\u0080\u0002\u0082\u0001.")]
    [InlineData("\u0080\u0002P1\n.")]
    [InlineData("\u0080\u0001N.")]
    [InlineData("\u0080\u0006N.")]
    [InlineData("\u0080\u0002ccollections\nOrderedDict\n)\u0081.")]
    public void An_operation_that_tensors_do_not_need(string pickle) => RejectedPickle(ModelFileErrorKind.UnsupportedOpcode, pickle);

    [Theory]
    [InlineData("\u0080\u0002.")]
    [InlineData("\u0080\u0002(.")]
    [InlineData("\u0080\u0002\u0085.")]
    [InlineData("\u0080\u0002Nt.")]
    [InlineData("\u0080\u0002h\u0000.")]
    [InlineData("\u0080\u0002q\u0000.")]
    [InlineData("\u0080\u0002NNa.")]
    [InlineData("\u0080\u0002](NNu.")]
    [InlineData("\u0080\u0002}(Nu.")]
    [InlineData("\u0080\u0002}]Ns.")]
    [InlineData("\u0080\u0002NNR.")]
    [InlineData("\u0080\u0002N)R.")]
    [InlineData("\u0080\u0002]}b.")]
    [InlineData("\u0080\u0002}Nb.")]
    [InlineData("\u0080\u0002ctorch\nFloatStorage\n.")]
    [InlineData("\u0080\u0002ctorch\nFloatStorage\n)R.")]
    [InlineData("\u0080\u0002ctorch\nSize\n)R.")]
    [InlineData("\u0080\u0002ctorch\ndevice\n)R.")]
    [InlineData("\u0080\u0002ccollections\nOrderedDict\nN\u0085R.")]
    [InlineData("\u0080\u0002ccollections\nOrderedDict\n]Na\u0085R.")]
    [InlineData("\u0080\u0002ctorch._utils\n_rebuild_tensor_v2\n)R.")]
    [InlineData("\u0080\u0002ctorch._utils\n_rebuild_parameter\n)R.")]
    [InlineData("\u0080\u0002)Q.")]
    [InlineData("\u0080\u0002U\u0002\u00c3\u0028.")]
    public void Operations_that_do_not_fit_together(string pickle) => RejectedPickle(ModelFileErrorKind.InvalidPickle, pickle);

    // A tensor by hand: the storage "0" of the archive, 4 floats, and the given offset, sizes and strides as pickle operations.
    private static string TensorOf(string offset, string sizes, string strides, string count = "K\u0004") =>
        $"\u0080\u0002ctorch._utils\n_rebuild_tensor_v2\n((X\u0007\0\0\0storagectorch\nFloatStorage\nX\u0001\0\0\0" + $"0X\u0003\0\0\0cpu{count}tQ{offset}{sizes}{strides}\u0089)tR.";

    [Fact]
    public void The_tensor_made_by_hand_is_read()
    {
        using var file = PthFile.Open(Archive(_folder, Encoding.Latin1.GetBytes(TensorOf("K\u0000", "K\u0002K\u0002\u0086", "K\u0002K\u0001\u0086"))));
        using var read = file.Read("");
        Assert.Equal([2, 2], read.shape);
    }

    [Theory]
    [InlineData("K\u0001", "K\u0002K\u0002\u0086", "K\u0002K\u0001\u0086")] // one element too far
    [InlineData("K\u0000", "K\u0002K\u0002\u0086", "K\u0003K\u0001\u0086")] // by a stride
    [InlineData("K\u0005", "K\u0000\u0085", "K\u0001\u0085")] // empty, but begins behind the end
    [InlineData("J\u00ff\u00ff\u00ff\u00ff", "K\u0001\u0085", "K\u0001\u0085")] // before the storage
    [InlineData("\u008a\u0008\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007f", "K\u0002\u0085", "K\u0001\u0085")] // the end would overflow
    [InlineData("K\u0000", "K\u0003\u0085", "\u008a\u0008\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007f\u0085")]
    public void A_tensor_outside_its_storage(string offset, string sizes, string strides) => RejectedPickle(ModelFileErrorKind.TensorOutsideStorage, TensorOf(offset, sizes, strides));

    [Theory]
    [InlineData("J\u00ff\u00ff\u00ff\u00ff\u0085", "K\u0001\u0085")]
    [InlineData("K\u0001\u0085", "J\u00ff\u00ff\u00ff\u00ff\u0085")]
    [InlineData("K\u0001\u0085", ")")]
    [InlineData("N\u0085", "K\u0001\u0085")]
    public void A_shape_that_is_no_list_of_sizes(string sizes, string strides) => RejectedPickle(ModelFileErrorKind.InvalidShape, TensorOf("K\u0000", sizes, strides));

    [Fact]
    public void A_shape_whose_bytes_overflow() =>
        RejectedPickle(ModelFileErrorKind.ShapeOverflow, TensorOf("K\u0000", "\u008a\u0008\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007f\u0085", "K\u0000\u0085"));

    [Theory]
    [InlineData("K\u0003")]
    [InlineData("K\u0005")]
    [InlineData("\u008a\u0008\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007f")]
    public void A_storage_of_another_size(string count) => RejectedPickle(ModelFileErrorKind.StorageSize, TensorOf("K\u0000", "K\u0001\u0085", "K\u0001\u0085", count));

    [Fact]
    public void Two_tensors_whose_dotted_names_are_the_same()
    {
        var tensor = TensorOf("K\u0000", "K\u0002\u0085", "K\u0001\u0085")[2..^1];
        RejectedPickle(ModelFileErrorKind.DuplicateKey, $"\u0080\u0002}}(U\u0003" + $"a.b{tensor}U\u0001" + $"a}}U\u0001" + $"b{tensor}su.");
    }
}
