using Microsoft.Win32.SafeHandles;

namespace FilterPruning.Storage;

/// <summary>Bytes that are read at any place: a file, or memory. Reading from several threads is allowed.</summary>
internal abstract class ByteSource : IDisposable
{
    /// <summary>The number of bytes there are. Every size that the content claims is checked against it before memory is taken.</summary>
    public abstract long Length { get; }

    /// <summary>
    /// Opens a file. One of length 0 is not opened: named pipes and devices look like that, and opening or reading one may never end.
    /// </summary>
    public static ByteSource OpenFile(string path)
    {
        var info = new FileInfo(path);
        return info is { Exists: true, Length: 0 } ? new MemorySource(ReadOnlyMemory<byte>.Empty) : new FileSource(File.OpenHandle(path));
    }

    /// <summary>Bytes in memory.</summary>
    public static ByteSource Of(ReadOnlyMemory<byte> bytes) => new MemorySource(bytes);

    /// <summary>Fills a span from <paramref name="offset"/> on.</summary>
    /// <exception cref="EndOfStreamException">There are fewer bytes.</exception>
    public void ReadExactly(Span<byte> target, long offset)
    {
        for (var done = 0; done < target.Length;)
        {
            var read = Read(target[done..], offset + done);
            if (read == 0)
                throw new EndOfStreamException("The file became shorter while it was read.");
            done += read;
        }
    }

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>Reads some bytes; 0 at the end.</summary>
    protected abstract int Read(Span<byte> target, long offset);

    private sealed class FileSource : ByteSource
    {
        private readonly SafeFileHandle _file;

        public FileSource(SafeFileHandle file)
        {
            _file = file;
            Length = RandomAccess.GetLength(file);
        }

        public override long Length { get; }

        public override void Dispose() => _file.Dispose();

        protected override int Read(Span<byte> target, long offset) => RandomAccess.Read(_file, target, offset);
    }

    private sealed class MemorySource(ReadOnlyMemory<byte> bytes) : ByteSource
    {
        public override long Length => bytes.Length;

        public override void Dispose()
        {
        }

        protected override int Read(Span<byte> target, long offset)
        {
            if (offset >= bytes.Length)
                return 0;
            var part = bytes.Span[(int)offset..];
            part = part[..Math.Min(part.Length, target.Length)];
            part.CopyTo(target);
            return part.Length;
        }
    }
}
