using System.Buffers.Binary;
using System.Text;

namespace FilterPruning.Storage;

/// <summary>The bytes of a pickle, read forward. Every claimed length is checked against what is left before anything is made of it.</summary>
internal sealed class PickleBytes(byte[] bytes, string path)
{
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);
    private int _position;

    public byte Byte() => Take(1)[0];

    public ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public double BigEndianDouble() => BinaryPrimitives.ReadDoubleBigEndian(Take(8));

    public ReadOnlySpan<byte> Take(ulong count)
    {
        if (count > (ulong)(bytes.Length - _position))
            throw new ModelFileException(ModelFileErrorKind.PickleTruncated, path, $"data.pkl ends at byte {bytes.Length}; {count} more are wanted at byte {_position}. The file is cut short or damaged.");
        var taken = bytes.AsSpan(_position, (int)count);
        _position += (int)count;
        return taken;
    }

    public string Text(ulong count)
    {
        try
        {
            return StrictUtf8.GetString(Take(count));
        }
        catch (DecoderFallbackException error)
        {
            throw new ModelFileException(ModelFileErrorKind.InvalidPickle, path, "a string in data.pkl is not valid UTF-8. The file is damaged.", error);
        }
    }

    /// <summary>Text up to the next line feed.</summary>
    public string Line()
    {
        var length = bytes.AsSpan(_position).IndexOf((byte)'\n');
        var text = Text(length < 0 ? ulong.MaxValue : (ulong)length);
        _position++;
        return text;
    }
}
