using System.Buffers.Binary;
using System.IO.Compression;
using FilterPruning.Fuzz.Engine;

namespace FilterPruning.Fuzz.Detection;

/// <summary>PNG files: made by hand, and with their checksums put right after a change.</summary>
internal static class Png
{
    private const int Signature = 8, Frame = 12;

    /// <summary>A file with one chunk of pixels: colour type 0 for grey, 2 for RGB.</summary>
    public static byte[] Make(int width, int height, byte depth, byte colour, byte[] rows)
    {
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.Optimal, leaveOpen: true))
            zlib.Write(rows);
        var head = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(head, width);
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(4), height);
        (head[8], head[9]) = (depth, colour);
        return [0x89, .. "PNG\r\n\u001a\n"u8, .. Chunk("IHDR"u8, head), .. Chunk("IDAT"u8, packed.ToArray()), .. Chunk("IEND"u8, [])];
    }

    /// <summary>The file with every chunk's length and checksum as its content asks for. Sometimes the pixels are unpacked, changed and packed again.</summary>
    public static byte[] Repaired(byte[] input, Mutator mutator)
    {
        if (input.Length < Signature)
            return input;
        var output = new List<byte>(input[..Signature]);
        for (var at = Signature; at + Frame <= input.Length;)
        {
            var length = (int)Math.Min(BinaryPrimitives.ReadUInt32BigEndian(input.AsSpan(at)), (uint)(input.Length - at - Frame));
            var content = input[(at + 8)..(at + 8 + length)];
            var name = input.AsSpan(at + 4, 4);
            if (name.SequenceEqual("IDAT"u8) && mutator.Random.OneIn(2))
                content = Changed(content, mutator);
            output.AddRange(Chunk(name, content));
            at += Frame + length;
        }

        return [.. output];
    }

    private static byte[] Changed(byte[] packed, Mutator mutator)
    {
        try
        {
            var rows = new byte[1 << 14];
            using var zlib = new ZLibStream(new MemoryStream(packed), CompressionMode.Decompress);
            var count = zlib.ReadAtLeast(rows, rows.Length, throwOnEndOfStream: false);
            using var again = new MemoryStream();
            using (var writer = new ZLibStream(again, CompressionLevel.Fastest, leaveOpen: true))
                writer.Write(mutator.Mutate(rows[..count], []));
            return again.ToArray();
        }
        catch (InvalidDataException)
        {
            return packed;
        }
    }

    private static byte[] Chunk(ReadOnlySpan<byte> name, ReadOnlySpan<byte> content)
    {
        var chunk = new byte[Frame + content.Length];
        BinaryPrimitives.WriteInt32BigEndian(chunk, content.Length);
        name.CopyTo(chunk.AsSpan(4));
        content.CopyTo(chunk.AsSpan(8));
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + content.Length), Crc32(chunk.AsSpan(4, 4 + content.Length)));
        return chunk;
    }

    private static uint Crc32(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
        }

        return ~crc;
    }
}
