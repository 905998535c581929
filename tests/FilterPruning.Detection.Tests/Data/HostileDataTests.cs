using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Detection.Models;
using FilterPruning.Fuzz.Detection;

namespace FilterPruning.Detection.Tests.Data;

/// <summary>Data sets that were made to hurt: what they may cost, and how they are refused.</summary>
public sealed class HostileDataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static DatasetException Refused(string json, CocoLimits? limits = null) => Assert.Throws<DatasetException>(() =>
        CocoGroundTruth.Of(CocoIndex.Of("x.json", CocoJson.Read(new MemoryStream(Encoding.UTF8.GetBytes(json)), "x.json", CocoJson.Default.CocoFile), limits ?? new CocoLimits())));

    private static string Coco(Action<JsonObject> change)
    {
        var file = JsonNode.Parse(CocoTarget.Annotations)!.AsObject();
        change(file);
        return file.ToJsonString();
    }

    [Theory]
    [InlineData("""{"images":null,"annotations":[],"categories":[]}""")]
    [InlineData("""{"images":[null],"annotations":[],"categories":[]}""")]
    [InlineData("""{"images":[],"annotations":[null],"categories":[]}""")]
    [InlineData("""{"images":[],"annotations":[],"categories":[null]}""")]
    [InlineData("""{"images":[],"annotations":[],"categories":[{"id":1,"name":null}]}""")]
    [InlineData("""{"images":[],"annotations":[],"categories":[{"id":1,"name":"\ud800"}]}""")]
    [InlineData("""{"images":[],"annotations":[],"categories":[{"id":1,"name":"a","x":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}]}""")]
    [InlineData("null")]
    [InlineData("")]
    public void Nulls_halves_of_characters_and_depth(string json) => Refused(json);

    [Theory]
    [InlineData("Images", "2 images")]
    [InlineData("Annotations", "4 annotations")]
    [InlineData("Categories", "2 categories")]
    [InlineData("PointsPerObject", "points in annotation 1")]
    [InlineData("NameLength", "characters in the file name of image 1")]
    [InlineData("PixelsPerImage", "600 pixels in image 1")]
    public void More_than_a_limit_allows(string limit, string message)
    {
        var limits = limit switch
        {
            "Images" => new CocoLimits { Images = 1 },
            "Annotations" => new CocoLimits { Annotations = 1 },
            "Categories" => new CocoLimits { Categories = 1 },
            "PointsPerObject" => new CocoLimits { PointsPerObject = 6 },
            "NameLength" => new CocoLimits { NameLength = 4 },
            _ => new CocoLimits { PixelsPerImage = 599 },
        };
        var error = Refused(CocoTarget.Annotations, limits).Message;
        Assert.Contains(message, error, StringComparison.Ordinal);
        Assert.Contains($"CocoLimits.{limit}", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1e400")]
    [InlineData("-1")]
    public void An_area_that_is_none(string area) => Assert.Contains("with area", Refused(Coco(file => file["annotations"]![0]!["area"] = JsonNode.Parse(area))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_json_file_larger_than_the_limit()
    {
        var path = _folder.File("a.json");
        File.WriteAllText(path, CocoTarget.Annotations);
        Assert.Contains("CocoLimits.FileBytes", Assert.Throws<DatasetException>(() => CocoGroundTruth.Read(path, new CocoLimits { FileBytes = 100 })).Message, StringComparison.Ordinal);
        Assert.Equal(4, CocoGroundTruth.Read(path).Instances.Count);
    }

    [Fact]
    public void Many_outlines_on_a_large_picture_take_no_memory()
    {
        // A picture of one grey of a few kilobytes, and for forty bytes of annotation each a mask of four million pixels.
        Directory.CreateDirectory(_folder.File("images"));
        File.WriteAllBytes(_folder.File("images/a.png"), Png.Make(2000, 2000, 8, 0, new byte[2000 * 2001]));
        var annotations = new JsonArray([.. Enumerable.Range(1, 600).Select(id => JsonNode.Parse($$"""{"id":{{id}},"image_id":1,"category_id":1,"segmentation":[[0,0,9,0,9,9]]}"""))]);
        File.WriteAllText(_folder.File("a.json"), new JsonObject
        {
            ["images"] = new JsonArray(JsonNode.Parse("""{"id":1,"file_name":"a.png","height":2000,"width":2000}""")),
            ["categories"] = new JsonArray(JsonNode.Parse("""{"id":1,"name":"a"}""")),
            ["annotations"] = annotations,
        }.ToJsonString());
        var error = Assert.Throws<DatasetException>(() => CocoDataset.Open(_folder.File("a.json"), _folder.File("images")).Load(0).Dispose());
        Assert.Contains("2400000000 bytes", error.Message, StringComparison.Ordinal);
        Assert.Contains("CocoLimits.MaskBytes", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a\0.png", "zero in it")]
    [InlineData("/etc/passwd", "leads out of")]
    [InlineData("..", "leads out of")]
    public void A_file_name_that_is_none(string name, string message)
    {
        Directory.CreateDirectory(_folder.File("images"));
        File.WriteAllText(_folder.File("a.json"), Coco(file => file["images"]![0]!["file_name"] = name));
        Assert.Contains(message, Assert.Throws<DatasetException>(() => CocoDataset.Open(_folder.File("a.json"), _folder.File("images"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[null]", "is null")]
    [InlineData("""[{"image_id":1,"category_id":7,"bbox":[1,2,3,4],"score":1e400}]""", "no usable number")]
    [InlineData("""[{"image_id":1,"category_id":7,"bbox":[1,2,3,-1e99],"score":1}]""", "no usable number")]
    [InlineData("""[{"image_id":1,"category_id":7,"bbox":[1,2],"score":1}]""", "four numbers")]
    public void Results_that_are_none(string json, string message)
    {
        File.WriteAllText(_folder.File("truth.json"), CocoTarget.Annotations);
        File.WriteAllText(_folder.File("results.json"), json);
        Assert.Contains(message, Assert.Throws<DatasetException>(() => CocoResults.Read(_folder.File("results.json"), CocoGroundTruth.Read(_folder.File("truth.json")))).Message, StringComparison.Ordinal);
    }

    // --- images --------------------------------------------------------------------------------------------------------

    private static ImageException RefusedImage(byte[] bytes, ImageLimits? limits = null) => Assert.Throws<ImageException>(() => ImageFile.Decode(bytes, limits ?? new ImageLimits()).Dispose());

    [Fact]
    public void Millions_of_pixels_in_a_few_bytes()
    {
        // One bit for each of nine million pixels, all alike: about eight thousand pixels for each byte.
        var bytes = Png.Make(3000, 3000, 1, 0, new byte[3000 * 376]);
        Assert.Contains("ImageLimits.PixelsPerByte", RefusedImage(bytes).Message, StringComparison.Ordinal);
        using var image = ImageFile.Decode(bytes, new ImageLimits { PixelsPerByte = 10_000 });
        Assert.Equal([3L, 3000L, 3000L], image.shape);

        // 8-bit grey of one value is a mask without an object, and taken.
        using var mask = ImageFile.Decode(Png.Make(3000, 3000, 8, 0, new byte[3000 * 3001]));
        Assert.Equal([3L, 3000L, 3000L], mask.shape);
    }

    [Fact]
    public void More_bytes_or_pixels_than_the_limit()
    {
        var bytes = Png.Make(30, 20, 8, 0, new byte[31 * 20]);
        Assert.Contains("ImageLimits.FileBytes", RefusedImage(bytes, new ImageLimits { FileBytes = bytes.Length - 1 }).Message, StringComparison.Ordinal);
        Assert.Contains("at most 599", RefusedImage(bytes, new ImageLimits { Pixels = 599 }).Message, StringComparison.Ordinal);
        File.WriteAllBytes(_folder.File("a.png"), bytes);
        Assert.Contains("ImageLimits.FileBytes", Assert.Throws<ImageException>(() => ImageFile.Load(_folder.File("a.png"), new ImageLimits { FileBytes = 10 })).Message, StringComparison.Ordinal);
        ImageFile.Load(_folder.File("a.png"), new ImageLimits()).Dispose();
    }

    [Fact]
    public void A_jpeg_of_many_scans()
    {
        using var bitmap = new SkiaSharp.SKBitmap(8, 8);
        using var data = bitmap.Encode(SkiaSharp.SKEncodedImageFormat.Jpeg, 90);
        byte[] bytes = [.. data.ToArray(), .. Enumerable.Repeat<byte[]>([0xff, 0xda, 0, 0], 200).SelectMany(scan => scan)];
        Assert.Contains("201 scans", RefusedImage(bytes).Message, StringComparison.Ordinal);
        ImageFile.Decode(data.ToArray()).Dispose();
    }

    [Theory]
    [InlineData("II*\0")] // TIFF, and camera raw files
    [InlineData("\0\0\u0001\0")] // icons
    [InlineData("<svg ")]
    [InlineData("qoif")]
    public void A_format_that_is_not_read_is_not_even_looked_at(string start) => Assert.Contains("not in a known format", RefusedImage([.. Encoding.Latin1.GetBytes(start), .. new byte[100]]).Message, StringComparison.Ordinal);

    [Fact]
    public void Every_part_of_an_image_is_refused_or_read()
    {
        var whole = Png.Make(16, 16, 8, 2, [.. Enumerable.Range(0, 16 * 49).Select(i => (byte)(i % 49 == 0 ? 0 : i * 7))]);
        using var image = ImageFile.Decode(whole);
        for (var length = 0; length < whole.Length - 24; length++)
            RefusedImage(whole[..length]);

        // Behind the last pixel stand checksums and the end mark: a file without them may be taken, with all pixels.
        for (var length = whole.Length - 24; length < whole.Length; length++)
        {
            try
            {
                using var part = ImageFile.Decode(whole[..length]);
                Assert.Equal(image.data<float>().ToArray(), part.data<float>().ToArray());
            }
            catch (ImageException)
            {
                // A refusal is as good.
            }
        }
    }

    [Fact]
    public void A_mask_of_more_persons_than_memory()
    {
        var ids = new byte[8192 * 8192];
        for (var i = 0; i < 40; i++)
            ids[i] = (byte)i;
        Assert.Contains("2617245696 bytes", Assert.Throws<ImageException>(() => PennFudanDataset.ToTarget(ids, 8192, 8192, "'m.png'")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_named_pipe_is_refused_instead_of_waited_for()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Named pipes are files on Unix only.");
        Assert.Equal(0, MakePipe(_folder.File("pipe.png"), 0x180));
        Assert.Throws<ImageException>(() => ImageFile.Load(_folder.File("pipe.png")));
        Assert.Throws<DatasetException>(() => CocoGroundTruth.Read(_folder.File("pipe.png")));
        Assert.Throws<ImageException>(() => ImageFile.Load("/dev/zero"));
    }

    // --- descriptions --------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData("""{"model":"maskrcnn_resnet50_fpn","classNames":["a"],"options":{"representationSize":1000000}}""", "weights")]
    [InlineData("""{"model":"maskrcnn_resnet50_fpn","classNames":["a"],"options":{"backboneWidth":2000000000}}""", "weights")]
    [InlineData("""{"model":"maskrcnn_resnet50_fpn","classNames":["a"],"options":{"fpnChannels":-2000000000}}""", "weights")]
    [InlineData("""{"model":"maskrcnn_resnet50_fpn","classNames":["a"],"options":{"maskLayers":100000}}""", "weights")]
    [InlineData("""{"model":"maskrcnn_resnet50_fpn","classNames":[null]}""", "class name")]
    [InlineData("""{"model":"maskrcnn_resnet50_fpn","classNames":null}""", "cannot be read")]
    [InlineData("""{"model":"maskrcnn_resnet50_fpn","classNames":["a"],"options":null}""", "cannot be read")]
    [InlineData("""{"model":"maskrcnn_resnet50_fpn","classNames":["a"],"options":{"anchorSizes":[null]}}""", "anchors")]
    [InlineData("""{"model":"\ud800","classNames":[]}""", "cannot be read")]
    public void A_description_of_a_detector_that_no_machine_holds(string json, string message) =>
        Assert.Contains(message, Assert.Throws<PruningException>(() => DetectorDescription.FromJson(json)).Message, StringComparison.Ordinal);

    [Fact]
    public void What_a_description_leaves_out_has_its_default()
    {
        var description = DetectorDescription.FromJson("""{"model":"maskrcnn_resnet18_fpn","classNames":["a"],"options":{"fpnChannels":64}}""");
        Assert.Equal(new MaskRcnnOptions().RepresentationSize, description.Options.RepresentationSize);
        Assert.Equal((64, "", 2), (description.Options.FpnChannels, description.Origin, description.NumClasses));
        description.Options.Validate(description.NumClasses);
        DetectorDescription.FromJson("""{"model":"maskrcnn_resnet18_fpn","classNames":["a"]}""").Options.Validate(2);
    }

    [Fact]
    public void More_classes_than_the_limit() =>
        Assert.Contains("10001 classes", Assert.Throws<PruningException>(() => DetectorDescription.FromJson($$"""{"model":"m","classNames":[{{string.Join(',', Enumerable.Repeat("\"\"", 10_001))}}]}""")).Message, StringComparison.Ordinal);

    [Fact]
    public void The_largest_published_detector_is_described() =>
        DetectorDescription.FromJson(new DetectorDescription { Model = "maskrcnn_resnet101_fpn", ClassNames = [.. Enumerable.Range(0, 1203).Select(i => $"class {i}")], Options = new MaskRcnnOptions { BackboneWidth = 128 } }.ToJson());

    // --- outlines ------------------------------------------------------------------------------------------------------

    // The walk of the COCO API, every fifth of a pixel, as the rasterizer once did it.
    private static byte[] Walked(double[] polygon, int height, int width)
    {
        var switches = new List<int>();
        (int X, int Y) Point(int i) => ((int)(5 * polygon[2 * i] + 0.5), (int)(5 * polygon[(2 * i) + 1] + 0.5));
        var from = Point((polygon.Length / 2) - 1);
        for (var i = 0; i < polygon.Length / 2; i++)
        {
            var to = Point(i);
            int dx = Math.Abs(to.X - from.X), dy = Math.Abs(to.Y - from.Y);
            var alongX = dx >= dy;
            var (start, end) = (alongX ? from.X > to.X : from.Y > to.Y) ? (to, from) : (from, to);
            var slope = dx == 0 ? 0 : alongX ? (double)(end.Y - start.Y) / dx : (double)(end.X - start.X) / dy;
            int lastX = start.X, lastY = start.Y;
            for (var t = 1; dx > 0 && t <= Math.Max(dx, dy); t++)
            {
                var (x, y) = alongX ? (start.X + t, (int)(start.Y + slope * t + 0.5)) : ((int)(start.X + slope * t + 0.5), start.Y + t);
                var (fineX, fineY) = (Math.Min(x, lastX), Math.Min(y, lastY));
                if (x != lastX && fineX >= 0 && fineX % 5 == 2 && fineX / 5 < width)
                    switches.Add((fineX / 5 * height) + Math.Clamp((fineY + 2) / 5, 0, height));
                (lastX, lastY) = (x, y);
            }

            from = to;
        }

        var inside = new bool[height * width];
        foreach (var at in switches)
        {
            for (var i = at; i < inside.Length; i++)
                inside[i] = !inside[i];
        }

        var pixels = new byte[height * width];
        for (var i = 0; i < inside.Length; i++)
            pixels[((i % height) * width) + (i / height)] = inside[i] ? (byte)1 : (byte)0;
        return pixels;
    }

    [Fact]
    public void Crossings_are_found_without_the_walk() =>
        Gen.Select(Gen.Int[1, 24], Gen.Int[1, 24], Gen.Select(Gen.OneOf(Gen.Double[-8, 32], Gen.Double[-300, 300], Gen.Int[-3, 27].Select(i => (double)i)), Gen.OneOf(Gen.Double[-8, 32], Gen.Double[-300, 300])).Array[3, 8]).Sample(
            (height, width, points) =>
            {
                var polygon = points.SelectMany(point => new[] { point.Item1, point.Item2 }).ToArray();
                var pixels = new byte[height * width];
                RleMask.FromPolygons([polygon], height, width).Decode(pixels);
                Assert.Equal(Walked(polygon, height, width), pixels);
            },
            iter: 3000,
            seed: "0N0XIzNsQ0O3",
            threads: 1);

    [DllImport("libc", EntryPoint = "mkfifo")]
    private static extern int MakePipe([MarshalAs(UnmanagedType.LPUTF8Str)] string path, uint mode);
}
