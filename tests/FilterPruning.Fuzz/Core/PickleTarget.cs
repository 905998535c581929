using System.Text;
using FilterPruning.Fuzz.Engine;
using FilterPruning.Storage;

namespace FilterPruning.Fuzz.Core;

/// <summary>The pickle of a <c>.pth</c> file, without the archive around it.</summary>
internal sealed class PickleTarget : ReaderTarget
{
    private static readonly PthLimits Limits = new() { NameCharacters = 100_000 };

    public override string Name => "pickle";

    // An empty dictionary of Python takes one byte, ours about eighty and a place on the stack, which doubles as it grows.
    public override double BytesPerByte => 200;

    public override IReadOnlyList<byte[]> Words { get; } =
    [
        .. new[]
        {
            "ctorch._utils\n_rebuild_tensor_v2\n", "ctorch._utils\n_rebuild_parameter\n", "ccollections\nOrderedDict\n", "ctorch\nFloatStorage\n", "ctorch\nSize\n", "ctorch\ndevice\n",
            "cargparse\nNamespace\n", "cpathlib\nPosixPath\n", "ccollections\nCounter\n", "c_codecs\nencode\n", "cnumpy\ndtype\n", "cnumpy.core.multiarray\nscalar\n", "\u0081", "cos\nsystem\n", "cbuiltins\neval\n", "X\a\0\0\0storage", "X\u0001\0\0\00", "X\u0003\0\0\0cpu", "tQ", ")R", "\u0085R", "\u0086R", "q\0", "h\0", "h\u0001", "q\u0001", "(", "e", "u", "s", "}", "]", ")",
            "\u0085", "\u0086", "\u0087", "\u0088", "\u0089", "K\0", "K\u0001", "K\u0004", "J\u00ff\u00ff\u00ff\u00ff", "\u008a\b\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007f", "\u0094", "\u0093", "\u0095", "\u008c\u0001a", "b", "N.", ".",
            Tensor,
        }.Select(Encoding.Latin1.GetBytes),
    ];

    /// <summary>A tensor of four floats over storage 0.</summary>
    private const string Tensor = "ctorch._utils\n_rebuild_tensor_v2\n((X\a\0\0\0storagectorch\nFloatStorage\nX\u0001\0\0\00X\u0003\0\0\0cpuK\u0004tQK\0K\u0002K\u0002\u0086K\u0002K\u0001\u0086\u0089)tR";

    public static IEnumerable<byte[]> Pickles() => new[]
    {
        $"\u0080\u0002{Tensor}.",
        $"\u0080\u0002}}(X\u0001\0\0\0a{Tensor}X\u0001\0\0\0b]({Tensor}{Tensor}eu.",
        $"\u0080\u0002ccollections\nOrderedDict\n)Rq\0X\u0001\0\0\0w{Tensor}s}}X\t\0\0\0_metadata}}sb.",
        $"\u0080\u0002ctorch._utils\n_rebuild_parameter\n{Tensor}\u0088ccollections\nOrderedDict\n)R\u0087R.",
        "\u0080\u0004\u0095\u0010\0\0\0\0\0\0\0}\u0094(\u008c\u0001k\u0094K\u0005\u008c\u0001l\u0094]\u0094(K\u0001M\0\u0001J\0\0\u0001\0G?\u00f0\0\0\0\0\0\0NX\u0001\0\0\0xC\u0002abeu.",
        "\u0080\u0002ctorch\ndevice\nX\u0004\0\0\0cudaK\0\u0086R.",
        "\u0080\u0002ctorch\nSize\nK\u0003K\u0004\u0086\u0085R.",
        "\u0080\u0002ccollections\nOrderedDict\n](X\u0001\0\0\0aK\u0001\u0086e\u0085R.",
        "\u0080\u0002cargparse\nNamespace\n)\u0081}X\u0002\0\0\0lrK\u0001sb.",
        "\u0080\u0002](cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\u0002\0\0\0f8\u0089\u0088\u0087R(K\u0003X\u0001\0\0\0<NNNJ\u00ff\u00ff\u00ff\u00ffJ\u00ff\u00ff\u00ff\u00ffK\0tbC\b12345678\u0086Rcpathlib\nPosixPath\n(X\u0001\0\0\0/X\u0001\0\0\0atRccollections\nCounter\n}\u0085Rc_codecs\nencode\nX\u0001\0\0\0xX\u0006\0\0\0latin1\u0086Re.",
        "\u0080\u0002cposix\nsystem\nX\u0002\0\0\0id\u0085R.",
        "\u0080\u0002]q\0(h\0h\0h\0h\0eq\u0001(h\0h\0h\0h\0e.",
    }.Select(Encoding.Latin1.GetBytes);

    public override IEnumerable<byte[]> Seeds() => Pickles();

    public override long Read(byte[] input)
    {
        // Whatever size is claimed, the storage has it: the check of sizes must not hide what comes behind it.
        var root = Unpickler.Read(input, "fuzz", Limits, storage => storage.Count * SafetensorsDTypes.SizeOf(storage.DType));
        PthTensorWalk.Find(root, "fuzz", Limits);
        return 0;
    }
}
