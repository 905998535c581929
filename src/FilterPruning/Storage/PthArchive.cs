using System.Text;

namespace FilterPruning.Storage;

/// <summary>The zip archive of a .pth file: names and sizes checked before anything is read. All entries are stored and none lies over another, so together they are no larger than the file.</summary>
internal sealed class PthArchive : IDisposable
{
    private const string PickleName = "data.pkl";
    private readonly string _path;
    private readonly ByteSource _source;
    private readonly string _root;
    private readonly Dictionary<string, StoredEntry> _entries = new(StringComparer.Ordinal);

    private PthArchive(string path, ByteSource source, PthLimits limits)
    {
        (_path, _source) = (path, source);
        _root = Guard(() =>
        {
            var zip = StoredZip.Read(source, limits.Entries);
            CollectEntries(zip, limits);
            var root = FindRoot();
            CheckSizes(zip);
            return root;
        });
        IsBigEndian = ReadByteOrder();
    }

    /// <summary>Whether the storages were written on a big-endian machine.</summary>
    public bool IsBigEndian { get; }

    /// <summary>Reads an archive's directory. The result owns the source; on an error it is disposed.</summary>
    public static PthArchive Open(string path, ByteSource source, PthLimits limits)
    {
        try
        {
            return new PthArchive(path, source, limits);
        }
        catch
        {
            source.Dispose();
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
            if (begin + (target.numel() * target.ElementSize) > entry.Length)
                throw new EndOfStreamException($"Storage \"{storage.Key}\" has {entry.Length} bytes.");
            TensorMemory.ReadFrom(_source, entry.Begin + begin, target);
            return true;
        });
        if (IsBigEndian)
            TensorMemory.ReverseEndianness(target);
    }

    public void Dispose() => _source.Dispose();

    private StoredEntry StorageEntry(PthStorage storage) =>
        _entries.TryGetValue($"{_root}data/{storage.Key}", out var entry)
            ? entry
            : throw Error(ModelFileErrorKind.MissingEntry, $"the archive lacks storage \"{storage.Key}\". The file is damaged.");

    private void CollectEntries(StoredZip zip, PthLimits limits)
    {
        if (zip.Entries.Count > limits.Entries)
            throw Error(ModelFileErrorKind.LimitExceeded, $"the archive has more than {limits.Entries} entries. Raise PthLimits.{nameof(PthLimits.Entries)} if you trust the file.");
        foreach (var entry in zip.Entries)
        {
            if (entry.Name.StartsWith('/') || entry.Name.AsSpan().IndexOfAny('\\', '\0', ':') >= 0 || entry.Name.Split('/').Contains(".."))
                throw Error(ModelFileErrorKind.UnsafeEntryName, $"the archive has an entry \"{entry.Name}\", which could name a place outside it. The file was not written by torch.save.");
            if (entry.IsLink)
                throw Error(ModelFileErrorKind.UnsafeEntryName, $"the entry \"{entry.Name}\" of the archive is a symbolic link. The file was not written by torch.save.");
            if (!_entries.TryAdd(entry.Name, entry))
                throw Error(ModelFileErrorKind.DuplicateKey, $"the archive has two entries \"{entry.Name}\"; which of them is meant cannot be known.");
        }
    }

    private void CheckSizes(StoredZip zip)
    {
        foreach (var entry in zip.Entries)
        {
            if (entry.Method != 0 || entry.Length != entry.Stored)
                throw Error(ModelFileErrorKind.CompressedEntry, $"entry \"{entry.Name}\" is compressed from {entry.Length} to {entry.Stored} bytes; torch.save stores its entries. Load it with PyTorch and save it again.");
        }

        zip.Locate();
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
        var word = entry.Length <= 16 ? Encoding.ASCII.GetString(ReadWhole(entry)) : $"{entry.Length} bytes long";
        return word switch
        {
            "little" => false,
            "big" => true,
            _ => throw Error(ModelFileErrorKind.ByteOrder, $"the entry byteorder is \"{word}\"; it must be little or big."),
        };
    }

    private byte[] ReadWhole(StoredEntry entry) => Guard(() =>
    {
        var bytes = new byte[entry.Length];
        _source.ReadExactly(bytes, entry.Begin);
        return bytes;
    });

    private T Guard<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is InvalidDataException or IOException)
        {
            throw new ModelFileException(ModelFileErrorKind.InvalidZip, _path, $"the zip archive cannot be read: {error.Message} The file is cut short or damaged; copy or download it again.", error);
        }
    }

    private ModelFileException Error(ModelFileErrorKind kind, string reason) => new(kind, _path, reason);
}
