using System.IO.Compression;
using FilterPruning.Fuzz.Engine;
using FilterPruning.Storage;

namespace FilterPruning.Fuzz.Core;

/// <summary><c>.pth</c> files: the archive, its pickle, then every tensor.</summary>
internal sealed class PthTarget : ReaderTarget
{
    private static readonly PthLimits Limits = new() { NameCharacters = 100_000 };
    private readonly PickleTarget _pickle = new();

    public override string Name => "pth";

    public override double BytesPerByte => 200;

    public override int MaximumLength => 6000;

    public override IReadOnlyList<byte[]> Words =>
    [
        .. _pickle.Words, "PK\u0001\u0002"u8.ToArray(), "PK\u0003\u0004"u8.ToArray(), "PK\u0005\u0006"u8.ToArray(), "PK\u0006\u0006"u8.ToArray(), "PK\u0006\u0007"u8.ToArray(), "../"u8.ToArray(), "data.pkl"u8.ToArray(),
        "byteorder"u8.ToArray(), "constants.pkl"u8.ToArray(), "data/0"u8.ToArray(), [0xff, 0xff, 0xff, 0xff], [0xff, 0xff], [0, 0, 0, 0],
    ];

    /// <summary>An archive of stored entries, as torch.save makes one.</summary>
    public static byte[] Archive(IEnumerable<(string Name, byte[] Content)> entries)
    {
        using var memory = new MemoryStream();
        using (var zip = new ZipArchive(memory, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content) in entries)
            {
                var entry = zip.CreateEntry(name, CompressionLevel.NoCompression);
                entry.LastWriteTime = new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);
                using var stream = entry.Open();
                stream.Write(content);
            }
        }

        return memory.ToArray();
    }

    public override IEnumerable<byte[]> Seeds()
    {
        foreach (var pickle in PickleTarget.Pickles())
            yield return Archive([("a/data.pkl", pickle), ("a/data/0", new byte[16])]);
        yield return Archive([("a/data.pkl", PickleTarget.Pickles().First()), ("a/byteorder", "big"u8.ToArray()), ("a/data/0", new byte[16]), ("a/version", "3\n"u8.ToArray())]);
    }

    public override long Read(byte[] input)
    {
        using var scope = NewDisposeScope();
        using var file = PthFile.Open("fuzz", ByteSource.Of(input), Limits);
        long native = 0;
        foreach (var name in file.Names.Take(20))
        {
            using var tensor = file.Read(name);

            // An expanded tensor has the bytes of its storage, however many elements it shows.
            native += 3 * Math.Min(tensor.numel() * tensor.ElementSize, input.Length);
        }

        return native;
    }

    /// <summary>Changes the pickle, or one storage, and packs the archive anew with sizes that fit.</summary>
    public override byte[] Repair(byte[] input, Mutator mutator)
    {
        if (mutator.Random.OneIn(3))
            return input;
        try
        {
            using var zip = new ZipArchive(new MemoryStream(input), ZipArchiveMode.Read);
            var entries = zip.Entries.Take(8).Select(entry => (entry.FullName, Content(entry))).ToList();
            if (entries.Count == 0)
                return input;
            var at = mutator.Random.OneIn(4) ? mutator.Random.Below(entries.Count) : Math.Max(0, entries.FindIndex(entry => entry.FullName.EndsWith("data.pkl", StringComparison.Ordinal)));
            entries[at] = (entries[at].FullName, mutator.Mutate(entries[at].Item2, mutator.Random.Pick(Words)));
            return Archive(entries);
        }
        catch (Exception error) when (error is InvalidDataException or IOException or ArgumentException or NotSupportedException or OverflowException or InvalidOperationException)
        {
            return input;
        }
    }

    private static byte[] Content(ZipArchiveEntry entry)
    {
        using var stream = entry.Open();
        var bytes = new byte[Math.Min(entry.Length, 4096)];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
