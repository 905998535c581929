using System.IO.Compression;

namespace FilterPruning.Storage;

/// <summary>The zip archive of a .pth file: names and sizes checked before anything is read. All entries are stored, so together they are no larger than the file.</summary>
internal sealed class PthArchive : IDisposable
{
    private const string PickleName = "data.pkl";
    private readonly string _path;
    private readonly ZipArchive _zip;
    private readonly string _root;
    private readonly Dictionary<string, ZipArchiveEntry> _entries = new(StringComparer.Ordinal);
    private readonly Lock _reading = new();

    private PthArchive(string path, Stream stream, PthLimits limits)
    {
        _path = path;
        _zip = Guard(() => new ZipArchive(stream, ZipArchiveMode.Read));
        _root = Guard(() =>
        {
            CollectEntries(limits);
            var root = FindRoot();
            CheckSizes(stream.Length);
            return root;
        });
        IsBigEndian = ReadByteOrder();
    }

    /// <summary>Whether the storages were written on a big-endian machine.</summary>
    public bool IsBigEndian { get; }

    public static PthArchive Open(string path, PthLimits limits)
    {
        var stream = FileAccessErrors.Translate(path, () => File.OpenRead(path));
        try
        {
            return new PthArchive(path, stream, limits);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    public byte[] ReadPickle(PthLimits limits)
    {
        var entry = _entries[_root + PickleName];
        if (entry.Length > limits.PickleBytes)
            throw Error(ModelFileErrorKind.LimitExceeded, $"{PickleName} has {entry.Length} bytes; the limit is {limits.PickleBytes}. Raise PthLimits.{nameof(PthLimits.PickleBytes)} if you trust the file.");
        return ReadWhole(entry);
    }

    /// <summary>The bytes the archive holds of a storage.</summary>
    public long StorageBytes(PthStorage storage) => StorageEntry(storage).Length;

    /// <summary>Fills a contiguous CPU tensor with bytes of a storage, from <paramref name="begin"/> on, in the byte order of this machine.</summary>
    public void ReadStorage(PthStorage storage, long begin, Tensor target)
    {
        var entry = StorageEntry(storage);
        Guard(() =>
        {
            lock (_reading)
            {
                using var stream = entry.Open();
                Skip(stream, begin);
                TensorMemory.ReadFrom(stream, target);
            }

            return true;
        });
        if (IsBigEndian)
            TensorMemory.ReverseEndianness(target);
    }

    public void Dispose() => _zip.Dispose();

    private ZipArchiveEntry StorageEntry(PthStorage storage) =>
        _entries.TryGetValue($"{_root}data/{storage.Key}", out var entry)
            ? entry
            : throw Error(ModelFileErrorKind.MissingEntry, $"the archive lacks storage \"{storage.Key}\". The file is damaged.");

    private void CollectEntries(PthLimits limits)
    {
        if (_zip.Entries.Count > limits.Entries)
            throw Error(ModelFileErrorKind.LimitExceeded, $"the archive has {_zip.Entries.Count} entries; the limit is {limits.Entries}. Raise PthLimits.{nameof(PthLimits.Entries)} if you trust the file.");
        foreach (var entry in _zip.Entries)
        {
            if (entry.FullName.StartsWith('/') || entry.FullName.AsSpan().IndexOfAny('\\', '\0', ':') >= 0 || entry.FullName.Split('/').Contains(".."))
                throw Error(ModelFileErrorKind.UnsafeEntryName, $"the archive has an entry \"{entry.FullName}\", which could name a place outside it. The file was not written by torch.save.");
            if (!_entries.TryAdd(entry.FullName, entry))
                throw Error(ModelFileErrorKind.DuplicateKey, $"the archive has two entries \"{entry.FullName}\"; which of them is meant cannot be known.");
        }
    }

    private void CheckSizes(long fileLength)
    {
        long total = 0;
        foreach (var entry in _zip.Entries)
        {
            if (entry.Length != entry.CompressedLength)
                throw Error(ModelFileErrorKind.CompressedEntry, $"entry \"{entry.FullName}\" is compressed from {entry.Length} to {entry.CompressedLength} bytes; torch.save stores its entries. Load it with PyTorch and save it again.");

            // Entries that lie over each other could add up to any size.
            total += entry.Length;
            if (entry.Length < 0 || total < 0 || total > fileLength)
                throw Error(ModelFileErrorKind.InvalidZip, $"the entries claim more bytes than the file has ({fileLength}). The file is damaged.");
        }
    }

    // torch.save puts everything into one folder, named after the file.
    private string FindRoot()
    {
        var candidates = _entries.Keys.Where(name => name.EndsWith("/" + PickleName, StringComparison.Ordinal) && name.IndexOf('/', StringComparison.Ordinal) == name.Length - PickleName.Length - 1).ToList();
        if (candidates.Count != 1)
            throw Error(ModelFileErrorKind.MissingEntry, $"the archive has {candidates.Count} entries FOLDER/{PickleName}; a file by torch.save has one.");
        var root = candidates[0][..^PickleName.Length];
        if (_entries.ContainsKey(root + "constants.pkl"))
            throw Error(ModelFileErrorKind.TorchScript, "this is a TorchScript program (torch.jit.save). Load it with PyTorch and save its state_dict().");
        return root;
    }

    private bool ReadByteOrder()
    {
        if (!_entries.TryGetValue(_root + "byteorder", out var entry))
            return false;
        var word = entry.Length <= 16 ? System.Text.Encoding.ASCII.GetString(ReadWhole(entry)) : $"{entry.Length} bytes long";
        return word switch
        {
            "little" => false,
            "big" => true,
            _ => throw Error(ModelFileErrorKind.ByteOrder, $"the entry byteorder is \"{word}\"; it must be little or big."),
        };
    }

    private byte[] ReadWhole(ZipArchiveEntry entry) => Guard(() =>
    {
        lock (_reading)
        {
            using var stream = entry.Open();
            var bytes = new byte[entry.Length];
            stream.ReadExactly(bytes);
            return bytes;
        }
    });

    private static void Skip(Stream stream, long count)
    {
        if (count > 0 && stream.CanSeek)
        {
            stream.Seek(count, SeekOrigin.Begin);
            return;
        }

        var scratch = count > 0 ? new byte[(int)Math.Min(count, 1 << 16)] : [];
        for (; count > 0; count -= Math.Min(count, scratch.Length))
            stream.ReadExactly(scratch, 0, (int)Math.Min(count, scratch.Length));
    }

    // A damaged archive makes System.IO.Compression throw many kinds of errors; to a caller they are all one.
    private T Guard<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is InvalidDataException or IOException or ArgumentException or OverflowException or NotSupportedException or InvalidOperationException)
        {
            throw new ModelFileException(ModelFileErrorKind.InvalidZip, _path, $"the zip archive cannot be read: {error.Message} The file is cut short or damaged; copy or download it again.", error);
        }
    }

    private ModelFileException Error(ModelFileErrorKind kind, string reason) => new(kind, _path, reason);
}
