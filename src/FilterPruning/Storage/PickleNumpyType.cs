using System.Buffers.Binary;

namespace FilterPruning.Storage;

/// <summary>A <c>numpy.dtype</c> on the way to a scalar: a letter for the kind and a number of bytes.</summary>
internal sealed class PickleNumpyType(string code)
{
    public bool IsBigEndian { get; set; }

    /// <summary>The number in some bytes: a <see cref="double"/>, <see cref="long"/> or <see cref="bool"/>; the bytes themselves where the type is another or their count does not fit.</summary>
    public object Read(byte[] bytes)
    {
        if (!code.EndsWith(bytes.Length.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal))
            return bytes;
        byte[] little = IsBigEndian ? [.. bytes.Reverse()] : bytes;
        return code switch
        {
            "f2" => (double)BinaryPrimitives.ReadHalfLittleEndian(little),
            "f4" => (double)BinaryPrimitives.ReadSingleLittleEndian(little),
            "f8" => BinaryPrimitives.ReadDoubleLittleEndian(little),
            "i1" => (long)(sbyte)little[0],
            "i2" => (long)BinaryPrimitives.ReadInt16LittleEndian(little),
            "i4" => (long)BinaryPrimitives.ReadInt32LittleEndian(little),
            "i8" => BinaryPrimitives.ReadInt64LittleEndian(little),
            "u1" => (long)little[0],
            "u2" => (long)BinaryPrimitives.ReadUInt16LittleEndian(little),
            "u4" => (long)BinaryPrimitives.ReadUInt32LittleEndian(little),
            "b1" => little[0] != 0,
            _ => bytes,
        };
    }
}
