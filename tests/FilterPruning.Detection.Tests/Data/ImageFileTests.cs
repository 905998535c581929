using System.Buffers.Binary;
using FilterPruning.Detection.Data;
using SkiaSharp;

namespace FilterPruning.Detection.Tests.Data;

public class ImageFileTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(7, 5)]
    [InlineData(33, 64)]
    public void A_png_keeps_8_bit_values_exactly(int height, int width)
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        var image = randint(0, 256, [3, height, width], generator: new Generator(1)).to(float32) / 255f;
        ImageFile.SavePng(image, folder.File("a.png"));
        var loaded = ImageFile.Load(folder.File("a.png"));
        Assert.Equal([3, height, width], loaded.shape);
        Assert.True(image.allclose(loaded, rtol: 0, atol: 1e-7), "read is not what was written");
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Values_outside_the_range_are_limited()
    {
        using var scope = NewDisposeScope();
        var image = tensor(new[] { -1f, 2f, float.NaN, 0.5f, 0.499f, 1f }).reshape(3, 1, 2);
        var expected = tensor(new[] { 0f, 255f, 0f, 128f, 127f, 255f }).reshape(3, 1, 2) / 255f;
        Assert.True(expected.allclose(ImageFile.Decode(ImageFile.EncodePng(image)), rtol: 0, atol: 1e-7));
    }

    [Fact]
    public void Grey_images_become_three_equal_channels()
    {
        using var bitmap = new SKBitmap(new SKImageInfo(4, 3, SKColorType.Gray8, SKAlphaType.Opaque));
        for (var i = 0; i < 12; i++)
            bitmap.SetPixel(i % 4, i / 4, new SKColor((byte)(20 * i), (byte)(20 * i), (byte)(20 * i)));
        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        using var image = ImageFile.Decode(data.ToArray());
        Assert.Equal([3, 3, 4], image.shape);
        for (var i = 0; i < 36; i++)
            Assert.Equal(20 * (i % 12), image.data<float>()[i] * 255, 3);
    }

    // EXIF 2.32, 4.6.4: which corner of the upright picture the stored row 0, column 0 is at. Stored: red top left, green top right, blue bottom left, black bottom right.
    [Theory]
    [InlineData(1, "RGBK", false)]
    [InlineData(2, "GRKB", false)]
    [InlineData(3, "KBGR", false)]
    [InlineData(4, "BKRG", false)]
    [InlineData(5, "RBGK", true)]
    [InlineData(6, "BRKG", true)]
    [InlineData(7, "KGBR", true)]
    [InlineData(8, "GKRB", true)]
    public void Jpegs_are_turned_upright(int orientation, string corners, bool swapped)
    {
        using var image = ImageFile.Decode(WithOrientation(Quadrants(48, 32), orientation));
        var (height, width) = swapped ? (48, 32) : (32, 48);
        Assert.Equal([3, height, width], image.shape);
        Assert.Equal(corners, $"{ColourAt(image, 4, 4)}{ColourAt(image, 4, width - 5)}{ColourAt(image, height - 5, 4)}{ColourAt(image, height - 5, width - 5)}");
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        var error = Assert.Throws<ImageException>(() => ImageFile.Load("no/such/picture.png"));
        Assert.Contains("no/such/picture.png", error.Message, StringComparison.Ordinal);
        Assert.Contains("no such file", error.Message, StringComparison.Ordinal);
        Assert.IsAssignableFrom<PruningException>(error);
    }

    [Fact]
    public void What_is_no_image_is_refused()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("a.png"), "not a picture");
        Assert.Contains("known format", Assert.Throws<ImageException>(() => ImageFile.Load(folder.File("a.png"))).Message, StringComparison.Ordinal);
        Assert.Throws<ImageException>(() => ImageFile.Decode([]));
    }

    [Fact]
    public void A_file_that_was_cut_short_is_refused()
    {
        using var scope = NewDisposeScope();
        var png = ImageFile.EncodePng(rand([3, 40, 40], generator: new Generator(1)));
        Assert.Contains("cut short", Assert.Throws<ImageException>(() => ImageFile.Decode(png[..(png.Length / 2)])).Message, StringComparison.Ordinal);
        var jpeg = Quadrants(48, 32);
        Assert.Throws<ImageException>(() => ImageFile.Decode(jpeg[..(jpeg.Length / 2)]));
    }

    [Fact]
    public void A_header_that_claims_too_many_pixels_is_refused_before_memory_is_taken()
    {
        using var scope = NewDisposeScope();
        var png = ImageFile.EncodePng(zeros(3, 2, 2));
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(16), 30_000);
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(20), 30_000);
        BinaryPrimitives.WriteUInt32BigEndian(png.AsSpan(29), Crc(png.AsSpan(12, 17)));
        var error = Assert.Throws<ImageException>(() => ImageFile.Decode(png));
        Assert.Contains("30000 × 30000", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{ImageFile.MaxPixels}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tensors_of_another_form_are_refused()
    {
        using var scope = NewDisposeScope();
        Assert.Contains("[1, 4, 4]", Assert.Throws<ArgumentException>(() => ImageFile.EncodePng(zeros(1, 4, 4))).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => ImageFile.EncodePng(zeros([3, 4, 4], uint8)));
        Assert.Throws<ImageException>(() => ImageFile.SavePng(zeros(3, 4, 4), "no/such/folder/a.png"));
    }

    [Fact]
    public void Folders_list_images_by_name_and_choose_by_seed()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        foreach (var name in new[] { "c.PNG", "a.png", "b.jpeg", "B.jpg", "note.txt" })
            File.WriteAllBytes(folder.File(name), ImageFile.EncodePng(zeros(3, 2, 2)));
        var images = ImageFolder.Open(folder.Path);
        Assert.Equal(["B.jpg", "a.png", "b.jpeg", "c.PNG"], images.Paths.Select(Path.GetFileName));
        Assert.Equal([3, 2, 2], images.Load(0).shape);
        Assert.Equal(images.Choose(2, 7).Paths, images.Choose(2, 7).Paths);
        Assert.Equal(images.Paths, images.Choose(4, 7).Paths);
        Assert.True(Enumerable.Range(0, 20).Select(seed => images.Choose(1, seed).Paths[0]).Distinct().Count() == 4, "20 seeds do not reach the four images");
        Assert.Throws<ArgumentOutOfRangeException>(() => images.Choose(5, 7));
        Assert.Throws<ArgumentOutOfRangeException>(() => images.Load(4));
        Assert.Throws<ImageException>(() => ImageFolder.Open(folder.File("nowhere")));
        Directory.CreateDirectory(folder.File("empty"));
        Assert.Throws<ImageException>(() => ImageFolder.Open(folder.File("empty")));
    }

    private static byte[] Quadrants(int width, int height)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
                bitmap.SetPixel(x, y, (x < width / 2, y < height / 2) switch { (true, true) => SKColors.Red, (false, true) => SKColors.Lime, (true, false) => SKColors.Blue, _ => SKColors.Black });
        }

        using var data = bitmap.Encode(SKEncodedImageFormat.Jpeg, 100);
        return data.ToArray();
    }

    /// <summary>Inserts an APP1 segment with one TIFF entry, 0x0112, right after the start marker.</summary>
    private static byte[] WithOrientation(byte[] jpeg, int orientation)
    {
        byte[] segment =
        [
            0xFF, 0xE1, 0, 34, (byte)'E', (byte)'x', (byte)'i', (byte)'f', 0, 0,
            (byte)'M', (byte)'M', 0, 42, 0, 0, 0, 8, 0, 1,
            0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte)orientation, 0, 0, 0, 0, 0, 0,
        ];
        return [.. jpeg[..2], .. segment, .. jpeg[2..]];
    }

    private static char ColourAt(Tensor image, int y, int x)
    {
        var (r, g, b) = (image[0, y, x].item<float>(), image[1, y, x].item<float>(), image[2, y, x].item<float>());
        return (r > 0.5f, g > 0.5f, b > 0.5f) switch { (true, false, false) => 'R', (false, true, false) => 'G', (false, false, true) => 'B', (false, false, false) => 'K', _ => '?' };
    }

    /// <summary>CRC-32 as PNG uses it (ISO 3309).</summary>
    private static uint Crc(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
        }

        return ~crc;
    }
}
