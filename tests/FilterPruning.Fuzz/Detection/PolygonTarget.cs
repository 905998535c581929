using System.Buffers.Binary;
using FilterPruning.Detection.Data;
using FilterPruning.Fuzz.Engine;

namespace FilterPruning.Fuzz.Detection;

/// <summary>Outlines. Two bytes each of height and width, then coordinates of eight bytes; those too large to be one are taken as 16-bit numbers.</summary>
internal sealed class PolygonTarget : ReaderTarget
{
    public override string Name => "polygon";

    // Two switches for each column that an edge crosses, at most 512 of them, in a list that doubles, sorted and turned into runs.
    public override double BytesPerByte => 2_000;

    public override int MaximumLength => 512;

    public override IEnumerable<byte[]> Seeds()
    {
        yield return Outline(20, 30, 1, 1, 20, 3, 12, 18);
        yield return Outline(50, 40, -10, -10, 60, -10, 60, 70, -10, 70);
        yield return Outline(16, 16, 8, -1e6, 9, 1e6, 7.5, 1e6);
        yield return Outline(16, 16, -1e6, 8, 1e6, 9, 1e6, 7.5);
    }

    public override long Read(byte[] input)
    {
        if (input.Length < 4)
            return 0;
        int height = 1 + (BinaryPrimitives.ReadUInt16LittleEndian(input) & 511), width = 1 + (BinaryPrimitives.ReadUInt16LittleEndian(input.AsSpan(2)) & 511);
        var points = new double[(input.Length - 4) / 8];
        for (var i = 0; i < points.Length; i++)
        {
            var value = BinaryPrimitives.ReadDoubleLittleEndian(input.AsSpan(4 + (8 * i)));
            points[i] = double.IsFinite(value) && Math.Abs(value) > 2e6 ? BinaryPrimitives.ReadInt16LittleEndian(input.AsSpan(4 + (8 * i))) / 8.0 : value;
        }

        var mask = RleMask.FromPolygons([points], height, width);
        return mask.Counts.Sum(count => (long)count) == (long)height * width ? 0 : throw new InvalidDataException("The runs do not cover the image.");
    }

    public override bool Allows(Exception error) => error is ArgumentException { ParamName: "polygon" };

    private static byte[] Outline(int height, int width, params double[] points)
    {
        var bytes = new byte[4 + (8 * points.Length)];
        BinaryPrimitives.WriteInt16LittleEndian(bytes, (short)(height - 1));
        BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(2), (short)(width - 1));
        for (var i = 0; i < points.Length; i++)
            BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(4 + (8 * i)), points[i]);
        return bytes;
    }
}
