using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;

namespace FilterPruning.Fuzz.Guided;

/// <summary>The input in hand, in a mapped file: it outlives a crash of the process. A watch ends the process when one input takes far too long.</summary>
internal sealed class LastInput : IDisposable
{
    private const int Capacity = 1 << 20;

    private readonly string _path;
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly Timer _watch;
    private long _count, _seen = -1;
    private int _idle;

    public LastInput(string path, int hangSeconds)
    {
        _path = path;
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.Create, null, Capacity);
        _view = _file.CreateViewAccessor();
        _watch = new Timer(_ => Look(hangSeconds), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
    }

    public void Set(byte[] input)
    {
        var length = Math.Min(input.Length, Capacity - 4);
        _view.Write(0, length);
        _view.WriteArray(4, input, 0, length);
        Interlocked.Increment(ref _count);
    }

    /// <summary>The input that a process left which did not end by itself, or null.</summary>
    public static byte[]? Left(string path)
    {
        if (!File.Exists(path))
            return null;
        var bytes = File.ReadAllBytes(path);
        return bytes.Length < 4 ? null : bytes[4..(4 + BinaryPrimitives.ReadInt32LittleEndian(bytes))];
    }

    /// <summary>Ends the watch and takes the file away: the process has ended well.</summary>
    public void Dispose()
    {
        _watch.Dispose();
        _view.Dispose();
        _file.Dispose();
        File.Delete(_path);
    }

    private void Look(int hangSeconds)
    {
        var now = Interlocked.Read(ref _count);
        _idle = now == _seen ? _idle + 1 : 0;
        _seen = now;
        if (_idle < hangSeconds)
            return;
        Console.Error.WriteLine($"An input has taken {hangSeconds} seconds. It is in {_path}.");
        Environment.Exit(3);
    }
}
