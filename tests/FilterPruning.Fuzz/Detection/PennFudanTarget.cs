using FilterPruning.Detection.Data;
using FilterPruning.Fuzz.Engine;

namespace FilterPruning.Fuzz.Detection;

/// <summary>The masks of Penn-Fudan: 8-bit grey PNG files whose values number the persons.</summary>
internal sealed class PennFudanTarget : ReaderTarget
{
    public override string Name => "pennfudan";

    public override int MaximumLength => 2048;

    // The default limit on pixels holds; an image of one grey needs few bytes.
    public override double BytesPerByte => 300_000;

    public override long FreeBytes => 64 << 20;

    public override IReadOnlyList<byte[]> Words { get; } = ["IHDR"u8.ToArray(), "IDAT"u8.ToArray(), "PLTE"u8.ToArray(), "IEND"u8.ToArray(), [0, 0, 0, 16, 0, 0, 0, 16, 8, 0]];

    public override IEnumerable<byte[]> Seeds()
    {
        yield return Png.Make(4, 2, 8, 0, [0, 0, 1, 1, 0, 0, 2, 2, 0, 1]);
        yield return Png.Make(16, 16, 8, 0, [.. Enumerable.Range(0, 16 * 17).Select(i => (byte)(i % 17 == 0 ? 0 : i))]);
        yield return Png.Make(3, 2, 8, 2, new byte[20]);
    }

    public override long Read(byte[] input)
    {
        if (TooLarge(input))
            return 0;
        using var scope = NewDisposeScope();
        var (ids, width, height) = ImageFile.DecodeGrey(input, "fuzz");
        var inner = NewDisposeScope();
        try
        {
            var target = PennFudanDataset.ToTarget(ids, width, height, "fuzz");
            if (target.Boxes.shape[0] != ids.Where(id => id != 0).Distinct().Count())
                throw new InvalidDataException("There are more or fewer objects than numbers.");
            return 2 * target.Masks.numel();
        }
        finally
        {
            inner.Dispose();
        }
    }

    public override byte[] Repair(byte[] input, Mutator mutator) => Png.Repaired(input, mutator);

    // Decoding a large image is right, and slow; the image target tries the limits.
    private static bool TooLarge(byte[] input) =>
        input.Length > 24 && System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(input.AsSpan(16)) * (long)System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(input.AsSpan(20)) is > 1 << 14 and < ImageFile.MaxPixels;
}
