using System.Buffers.Binary;
using System.Text;

namespace FilterPruning.Storage;

/// <summary>An entry of an archive.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Method">How it is compressed; 0 for not at all.</param>
/// <param name="Length">Its bytes once they are inflated.</param>
/// <param name="Stored">Its bytes in the archive.</param>
/// <param name="Header">Where its own header begins.</param>
/// <param name="IsLink">Whether it stands for a symbolic link.</param>
internal sealed record StoredEntry(string Name, int Method, long Length, long Stored, long Header, bool IsLink)
{
    /// <summary>Where its bytes begin; known once <see cref="StoredZip.Locate()"/> has read its header.</summary>
    public long Begin { get; set; }
}

/// <summary>
/// The directory of a zip archive, zip64 included, read with every number checked against the length of the file. Nothing is inflated: this reader is for archives
/// whose entries are stored. Two readers that see different entries in one archive are a way to smuggle, so whatever is said twice must agree.
/// Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT.
/// </summary>
internal sealed class StoredZip
{
    private const uint EntrySignature = 0x04034b50, DirectorySignature = 0x02014b50, EndSignature = 0x06054b50, End64Signature = 0x06064b50, LocatorSignature = 0x07064b50;
    private const int EntryLength = 30, DirectoryEntryLength = 46, EndLength = 22, End64Length = 56, LocatorLength = 20, MaximumComment = ushort.MaxValue;
    private const ushort Encrypted = 1, Zip64Field = 1;
    private const int UnixHost = 3, LinkType = 0xA, TypeShift = 28;

    private readonly ByteSource _source;
    private readonly List<StoredEntry> _entries = [];
    private long _directoryBegin, _directoryEnd, _count;

    private StoredZip(ByteSource source) => _source = source;

    /// <summary>In the directory's order.</summary>
    public IReadOnlyList<StoredEntry> Entries => _entries;

    /// <summary>Reads the directory.</summary>
    /// <param name="source">The archive.</param>
    /// <param name="maximumEntries">One entry more than this is read, then no further: the caller sees that there are too many.</param>
    /// <exception cref="InvalidDataException">The archive is damaged.</exception>
    public static StoredZip Read(ByteSource source, int maximumEntries)
    {
        var zip = new StoredZip(source);
        zip.ReadEnd();
        zip.ReadDirectory(maximumEntries);
        return zip;
    }

    /// <summary>Finds the bytes of every entry, and checks that none lies over another.</summary>
    /// <exception cref="InvalidDataException">An entry's own header says something else than the directory, or two entries share bytes.</exception>
    public void Locate()
    {
        foreach (var entry in _entries)
            Locate(entry);
        StoredEntry? previous = null;
        foreach (var entry in _entries.OrderBy(entry => entry.Header))
        {
            if (previous is not null && previous.Begin + previous.Stored > entry.Header)
                throw new InvalidDataException($"The entries \"{previous.Name}\" and \"{entry.Name}\" lie over each other.");
            previous = entry;
        }

        if (previous is not null && previous.Begin + previous.Stored > _directoryBegin)
            throw new InvalidDataException($"The entry \"{previous.Name}\" reaches into the directory.");
    }

    // The end record is the last thing in the file but for a comment, whose length it tells.
    private void ReadEnd()
    {
        var tail = new byte[(int)Math.Min(_source.Length, EndLength + MaximumComment)];
        _source.ReadExactly(tail, _source.Length - tail.Length);
        var at = tail.Length - EndLength;
        while (at >= 0 && !(UInt32(tail, at) == EndSignature && UInt16(tail, at + 20) == tail.Length - at - EndLength))
            at--;
        if (at < 0)
            throw new InvalidDataException("It has no end record.");

        var end = _source.Length - tail.Length + at;
        var record = tail.AsSpan(at);
        if (UInt16(record, 4) is not (0 or ushort.MaxValue) || UInt16(record, 6) is not (0 or ushort.MaxValue))
            throw new InvalidDataException("It is one of several parts.");
        (_count, long length, _directoryBegin) = (UInt16(record, 10), UInt32(record, 12), UInt32(record, 16));
        var limit = end;
        if (end >= LocatorLength && ReadEnd64(end - LocatorLength) is { } large)
        {
            if ((_count != ushort.MaxValue && _count != large.Count) || (length != uint.MaxValue && length != large.Length) || (_directoryBegin != uint.MaxValue && _directoryBegin != large.Begin))
                throw new InvalidDataException("Its two end records contradict each other.");
            (_count, length, _directoryBegin, limit) = (large.Count, large.Length, large.Begin, large.At);
        }

        if (_directoryBegin < 0 || length < 0 || _directoryBegin > limit - length)
            throw new InvalidDataException($"Its directory of {length} bytes at {_directoryBegin} does not fit into the file of {_source.Length}.");
        if (_count < 0 || _count > length / DirectoryEntryLength)
            throw new InvalidDataException($"Its directory of {length} bytes cannot hold the {_count} entries it claims.");
        _directoryEnd = _directoryBegin + length;
    }

    private (long Count, long Length, long Begin, long At)? ReadEnd64(long locatorAt)
    {
        Span<byte> locator = stackalloc byte[LocatorLength];
        _source.ReadExactly(locator, locatorAt);
        if (UInt32(locator, 0) != LocatorSignature)
            return null;
        var at = Int64(locator, 8);
        Span<byte> record = stackalloc byte[End64Length];
        if (at < 0 || at > locatorAt - End64Length)
            throw new InvalidDataException("Its zip64 end record lies outside the file.");
        _source.ReadExactly(record, at);
        if (UInt32(record, 0) != End64Signature)
            throw new InvalidDataException("Its zip64 end record is missing.");
        return (Int64(record, 32), Int64(record, 40), Int64(record, 48), at);
    }

    private void ReadDirectory(int maximumEntries)
    {
        Span<byte> head = stackalloc byte[DirectoryEntryLength];
        var at = _directoryBegin;
        for (long i = 0; i < _count && _entries.Count <= maximumEntries; i++)
        {
            if (at > _directoryEnd - head.Length)
                throw new InvalidDataException("Its directory ends inside an entry.");
            _source.ReadExactly(head, at);
            if (UInt32(head, 0) != DirectorySignature)
                throw new InvalidDataException($"Its directory is damaged at byte {at}.");
            int name = UInt16(head, 28), extra = UInt16(head, 30), comment = UInt16(head, 32);
            at += head.Length;
            if (at > _directoryEnd - name - extra - comment)
                throw new InvalidDataException("Its directory ends inside an entry.");
            var rest = new byte[name + extra];
            _source.ReadExactly(rest, at);
            at += name + extra + comment;
            _entries.Add(Entry(head, rest.AsSpan(0, name), rest.AsSpan(name)));
        }

        if (_entries.Count <= maximumEntries && at != _directoryEnd)
            throw new InvalidDataException($"Its directory holds more than the {_count} entries it claims.");
    }

    private static StoredEntry Entry(ReadOnlySpan<byte> head, ReadOnlySpan<byte> name, ReadOnlySpan<byte> extra)
    {
        var text = Encoding.UTF8.GetString(name);
        if ((UInt16(head, 8) & Encrypted) != 0)
            throw new InvalidDataException($"The entry \"{text}\" is encrypted.");
        long stored = UInt32(head, 20), length = UInt32(head, 24), header = UInt32(head, 42);
        if (stored == uint.MaxValue || length == uint.MaxValue || header == uint.MaxValue)
            ReadLarge(extra, ref length, ref stored, ref header);
        var isLink = head[5] == UnixHost && UInt32(head, 38) >> TypeShift == LinkType;
        return new StoredEntry(text, UInt16(head, 10), length, stored, header, isLink);
    }

    // The zip64 field holds, in this order, only those numbers that did not fit.
    private static void ReadLarge(ReadOnlySpan<byte> extra, ref long length, ref long stored, ref long header)
    {
        while (extra.Length >= 4)
        {
            var (id, size) = (UInt16(extra, 0), UInt16(extra, 2));
            extra = extra[4..];
            if (size > extra.Length)
                return;
            if (id == Zip64Field)
            {
                var field = extra[..size];
                Take(ref field, ref length);
                Take(ref field, ref stored);
                Take(ref field, ref header);
                return;
            }

            extra = extra[size..];
        }

        static void Take(ref ReadOnlySpan<byte> field, ref long number)
        {
            if (number != uint.MaxValue || field.Length < 8)
                return;
            number = Int64(field, 0);
            field = field[8..];
        }
    }

    private void Locate(StoredEntry entry)
    {
        Span<byte> head = stackalloc byte[EntryLength];
        if (entry.Header < 0 || entry.Header > _directoryBegin - head.Length)
            throw new InvalidDataException($"The entry \"{entry.Name}\" lies outside the file.");
        _source.ReadExactly(head, entry.Header);
        int name = UInt16(head, 26), extra = UInt16(head, 28);
        entry.Begin = entry.Header + head.Length + name + extra;
        if (UInt32(head, 0) != EntrySignature || entry.Stored < 0 || entry.Begin > _directoryBegin - entry.Stored)
            throw new InvalidDataException($"The entry \"{entry.Name}\" of {entry.Stored} bytes does not fit into the file of {_source.Length}.");
        var own = new byte[name];
        _source.ReadExactly(own, entry.Header + head.Length);
        if (Encoding.UTF8.GetString(own) != entry.Name || UInt16(head, 8) != entry.Method)
            throw new InvalidDataException($"The entry \"{entry.Name}\" has another name or method in its own header.");
        // Sizes that were not known when it was written are 0 there, those that need zip64 are 2³² − 1.
        if (UInt32(head, 18) is var stored and not (0 or uint.MaxValue) && stored != entry.Stored)
            throw new InvalidDataException($"The entry \"{entry.Name}\" has {entry.Stored} bytes in the directory and {stored} in its own header.");
    }

    private static ushort UInt16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint UInt32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static long Int64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);
}
