using System.Text;
using FilterPruning.Storage;
using static FilterPruning.Tests.Storage.PthFixtures;

namespace FilterPruning.Tests.Storage;

/// <summary>The few names beside tensors that a pickle may use become plain data; anything near them is still refused.</summary>
public sealed class PthPlainDataTests : IDisposable
{
    private const string Namespace = "cargparse\nNamespace\n";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private object? Read(string latin1)
    {
        using var file = PthFile.Open(Archive(_folder, Encoding.Latin1.GetBytes("\u0080\u0002" + latin1)));
        return file.Root;
    }

    private ModelFileException Refused(ModelFileErrorKind kind, string latin1, PthLimits? limits = null)
    {
        var path = Archive(_folder, Encoding.Latin1.GetBytes("\u0080\u0002" + latin1));
        var error = Assert.Throws<ModelFileException>(() => PthFile.Open(path, limits).Dispose());
        Assert.True(kind == error.Kind, $"{kind} expected, got {error.Kind}: {error.Message}");
        return error;
    }

    [Fact]
    public void A_namespace_is_a_dictionary_of_its_attributes()
    {
        var root = Assert.IsType<IReadOnlyDictionary<object, object?>>(Read(Namespace + ")\u0081}(U\u0002lrG\u003f\u00e0\0\0\0\0\0\0U\u0003devNub."), exactMatch: false);
        Assert.Equal(["lr", "dev"], root.Keys);
        Assert.Equal(0.5, root["lr"]);
        Assert.Null(root["dev"]);
    }

    [Fact]
    public void A_counter_is_a_dictionary_a_path_is_text_and_a_numpy_scalar_a_number()
    {
        Assert.Equal(2L, Assert.IsType<IReadOnlyDictionary<object, object?>>(Read("ccollections\nCounter\n}K\u0007K\u0002s\u0085R."), exactMatch: false)[7L]);
        Assert.Equal("/a/b", Read("cpathlib\nPosixPath\n(U\u0001/U\u0001aU\u0001btR."));
        Assert.Equal("", Read("cpathlib\nPosixPath\n)R."));
        const string half = "c_codecs\nencode\nX\u0002\0\0\0\0\u0038U\u0006latin1\u0086R"; // the bytes 00 38: one half
        Assert.Equal(0.5, Read($"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(U\u0002f2\u0089\u0088tR(K\u0003U\u0001<NNNtb{half}tR."));
        const string swapped = "c_codecs\nencode\nX\u0002\0\0\0\u0038\0U\u0006latin1\u0086R";
        Assert.Equal(0.5, Read($"cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n(U\u0002f2\u0089\u0088tR(K\u0003U\u0001>NNNtb{swapped}tR."));
        Assert.Equal(new byte[] { 0, 0x38 }, Read($"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(U\u0002V9\u0089\u0088tR(K\u0003U\u0001<NNNtb{half}tR."));
    }

    [Theory]
    [InlineData("cargparse\nArgumentParser\n)\u0081.", "argparse.ArgumentParser")]
    [InlineData("cargparse\nFileType\n)R.", "argparse.FileType")]
    [InlineData("cargparse\nNamespace.__init__\n)R.", "argparse.Namespace.__init__")]
    [InlineData("cargparse\n_sys.modules\n)R.", "argparse._sys.modules")]
    [InlineData("cpathlib\nPath\n)R.", "pathlib.Path")]
    [InlineData("cpathlib\nos.system\n(U\u0004truetR.", "pathlib.os.system")]
    [InlineData("c_codecs\ndecode\n)R.", "_codecs.decode")]
    [InlineData("cnumpy\nload\n)R.", "numpy.load")]
    [InlineData("cnumpy.core.multiarray\n_reconstruct\n)R.", "numpy.core.multiarray._reconstruct")]
    [InlineData("ccollections\ndefaultdict\n)R.", "collections.defaultdict")]
    [InlineData(Namespace + ")\u0081}(U\u0001xcposix\nsystem\nU\u0004true\u0085Rub.", "posix.system")]
    public void Their_neighbours_are_refused_by_name(string pickle, string named) =>
        Assert.Contains(named, Refused(ModelFileErrorKind.ForbiddenGlobal, pickle).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(ModelFileErrorKind.UnsupportedOpcode, Namespace + "N\u0085\u0081.")] // an instance with arguments
    [InlineData(ModelFileErrorKind.UnsupportedOpcode, "ccollections\nCounter\n)\u0081.")]
    [InlineData(ModelFileErrorKind.UnsupportedOpcode, "N)\u0081.")]
    [InlineData(ModelFileErrorKind.InvalidPickle, Namespace + "NR.")]
    [InlineData(ModelFileErrorKind.InvalidPickle, Namespace + ")R.")] // called
    [InlineData(ModelFileErrorKind.InvalidPickle, Namespace + ".")] // the class itself
    [InlineData(ModelFileErrorKind.InvalidPickle, Namespace + ")\u0081]b.")]
    [InlineData(ModelFileErrorKind.InvalidPickle, Namespace + ")\u0081N}\u0086b.")] // slots
    [InlineData(ModelFileErrorKind.InvalidPickle, "ccollections\nCounter\n]\u0085R.")]
    [InlineData(ModelFileErrorKind.InvalidPickle, "cpathlib\nPosixPath\nN\u0085R.")]
    [InlineData(ModelFileErrorKind.InvalidPickle, "c_codecs\nencode\nX\u0001\0\0\0aU\u0003rot\u0086R.")]
    [InlineData(ModelFileErrorKind.InvalidPickle, "c_codecs\nencode\nX\u0003\0\0\0\u00e2\u0082\u00acU\u0006latin1\u0086R.")] // a letter that is no byte
    [InlineData(ModelFileErrorKind.InvalidPickle, "cnumpy\ndtype\n)R.")]
    [InlineData(ModelFileErrorKind.InvalidPickle, "cnumpy\ndtype\nU\u0002f8\u0085R.")] // a type is no data
    [InlineData(ModelFileErrorKind.InvalidPickle, "cnumpy\ndtype\nU\u0002f8\u0085RNb.")]
    [InlineData(ModelFileErrorKind.InvalidPickle, "cnumpy.core.multiarray\nscalar\nNN\u0086R.")]
    public void What_is_done_with_them_is_checked(ModelFileErrorKind kind, string pickle) => Refused(kind, pickle);

    [Theory]
    [InlineData("cpathlib\nPosixPath\nq\u0001", "\u0085R0")]
    [InlineData("c_codecs\nencode\nq\u0001", "U\u0006latin1\u0086R0")]
    public void Text_copied_over_and_over(string function, string call) =>
        // POP (0) is no operation of the reader; the results are gathered in a list instead.
        Refused(
            ModelFileErrorKind.LimitExceeded,
            $"X\u0064\0\0\0{new string('a', 100)}q\0{function}](" + string.Concat(Enumerable.Repeat($"h\u0001h\0{call[..^1]}", 20)) + "e.",
            new PthLimits { Operations = 1000 });

    [Fact]
    public void Attributes_copied_over_and_over() => Refused(
        ModelFileErrorKind.LimitExceeded,
        "}(" + string.Concat(Enumerable.Range(0, 100).Select(i => $"K{(char)i}N")) + $"uq\0{Namespace}q\u0001](" + string.Concat(Enumerable.Repeat("h\u0001)\u0081h\0b", 20)) + "e.",
        new PthLimits { Operations = 1000 });

    [Fact]
    public void A_namespace_that_holds_itself_is_found() => Refused(ModelFileErrorKind.LimitExceeded, Namespace + ")\u0081q\0}U\u0001xh\0sb.");
}
