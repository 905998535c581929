using System.Buffers.Binary;
using System.Text;
using FilterPruning.Detection.Data;
using FilterPruning.Fuzz.Engine;

namespace FilterPruning.Fuzz.Detection;

/// <summary>Run-length masks. Two bytes each of height and width, then COCO's text, or runs as numbers where the height's first bit is set.</summary>
internal sealed class RleTarget : ReaderTarget
{
    private const int Numbers = 0x8000, MostPixels = 1 << 16;

    public override string Name => "rle";

    public override double BytesPerByte => 40;

    public override IReadOnlyList<byte[]> Words => ["00"u8.ToArray(), "oooooo0"u8.ToArray(), "P`"u8.ToArray(), "[\u007f"u8.ToArray()];

    public override IEnumerable<byte[]> Seeds()
    {
        yield return [5, 0, 5, 0, .. "34b0"u8];
        yield return Text(RleMask.FromPolygons([[1, 1, 20, 3, 12, 18]], 20, 30));
        yield return [.. Size(5 | Numbers, 5), 3, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0];
        yield return Text(RleMask.Empty(300, 200));
    }

    public override long Read(byte[] input)
    {
        if (input.Length < 4)
            return 0;
        int first = BinaryPrimitives.ReadUInt16LittleEndian(input), height = first & ~Numbers, width = BinaryPrimitives.ReadUInt16LittleEndian(input.AsSpan(2));
        var mask = (first & Numbers) != 0 ? new RleMask(height, width, Runs(input.AsSpan(4))) : RleMask.FromCocoString(Encoding.Latin1.GetString(input.AsSpan(4)), height, width);
        var box = mask.BoundingBox();
        if (box.X < 0 || box.Y < 0 || box.X + box.Width > width || box.Y + box.Height > height || mask.Area > (long)box.Width * box.Height)
            throw new InvalidDataException($"The box {box} does not hold the mask {mask}.");
        if (!RleMask.FromCocoString(mask.ToCocoString(), height, width).Equals(mask))
            throw new InvalidDataException("The mask changes when it is written and read.");
        if ((long)height * width <= MostPixels)
            CheckPixels(mask);
        return mask.Intersection(mask) == mask.Area ? 0 : throw new InvalidDataException("The mask does not lie in itself.");
    }

    public override bool Allows(Exception error) => error is ArgumentException { ParamName: "text" or "height" or "width" or "counts" };

    // Pixels are another form of the same mask: they must have its area and give it back.
    private static void CheckPixels(RleMask mask)
    {
        Span<byte> pixels = stackalloc byte[mask.Height * mask.Width];
        mask.Decode(pixels);
        if (pixels.Count((byte)1) != mask.Area || RleMask.FromMask(pixels, mask.Height, mask.Width).Area != mask.Area)
            throw new InvalidDataException("The mask has another area than its pixels.");
    }

    private static uint[] Runs(ReadOnlySpan<byte> bytes)
    {
        var runs = new uint[bytes.Length / 4];
        for (var i = 0; i < runs.Length; i++)
            runs[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(4 * i)..]);
        return runs;
    }

    private static byte[] Size(int height, int width) => [(byte)height, (byte)(height >> 8), (byte)width, (byte)(width >> 8)];

    private static byte[] Text(RleMask mask) => [.. Size(mask.Height, mask.Width), .. Encoding.ASCII.GetBytes(mask.ToCocoString())];
}
