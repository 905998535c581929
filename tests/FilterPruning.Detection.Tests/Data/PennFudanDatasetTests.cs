using FilterPruning.Detection.Data;
using SkiaSharp;

namespace FilterPruning.Detection.Tests.Data;

public class PennFudanDatasetTests
{
    [Fact]
    public void The_published_data_has_170_images_with_423_persons()
    {
        var dataset = PennFudanDataset.Open(PublishedFolder());
        Assert.Equal(170, dataset.Count);
        var persons = 0L;
        for (var index = 0; index < dataset.Count; index++)
        {
            using var sample = dataset.Load(index);
            persons += sample.Target.Labels.shape[0];
            Assert.Equal(index + 1, sample.ImageId);
        }

        Assert.Equal(423, persons);
    }

    [Fact]
    public void The_first_image_is_as_its_annotation_says()
    {
        // Annotation/FudanPed00001.txt: 559 × 536, boxes (160, 182) – (302, 431) and (420, 171) – (535, 486), counted from 1; drawn by hand, so to a pixel.
        var dataset = PennFudanDataset.Open(PublishedFolder());
        using var sample = dataset.Load(0);
        Assert.Equal("FudanPed00001.png", dataset.FileName(0));
        Assert.Equal([3, 536, 559], sample.Image.shape);
        float[] expected = [159, 181, 302, 431, 419, 170, 535, 486];
        var boxes = sample.Target.Boxes.data<float>().ToArray();
        for (var i = 0; i < expected.Length; i++)
            Assert.InRange(boxes[i], expected[i] - 2, expected[i] + 2);
    }

    [Fact]
    public void Masks_keep_their_ids_order_and_boxes_count_pixels()
    {
        using var folder = new TemporaryFolder();
        Write(folder, "a", 6, 5, (x, y) => (x, y) switch { (1, 2) => 9, ( >= 3, >= 3) => 2, _ => 0 });
        Write(folder, "b", 4, 4, (_, _) => 0);
        var dataset = PennFudanDataset.Open(folder.Path);
        using var sample = dataset.Load(0);
        Assert.Equal([3f, 3, 6, 5, 1, 2, 2, 3], sample.Target.Boxes.data<float>().ToArray());
        Assert.Equal([6L, 1], sample.Target.Masks.sum([1L, 2L], type: int64).data<long>().ToArray());
        Assert.Equal([1L, 1], sample.Target.Labels.data<long>().ToArray());
        using var nobody = dataset.Load(1);
        Assert.Equal([0, 4], nobody.Target.Boxes.shape);
        Assert.Equal([0, 4, 4], nobody.Target.Masks.shape);
    }

    [Fact]
    public void Splits_are_disjoint_complete_and_the_same_everywhere()
    {
        using var folder = new TemporaryFolder();
        for (var i = 0; i < 10; i++)
            Write(folder, $"image{i}", 2, 2, (_, _) => 1);
        var (train, test) = PennFudanDataset.Open(folder.Path).Split(train: 7, seed: 1);
        Assert.Equal((7, 3), (train.Count, test.Count));
        Assert.Equal("8 3 7 9 1 2 6 10 4 5", string.Join(" ", Ids(train).Concat(Ids(test))));
        Assert.Equal(Enumerable.Range(1, 10).Select(i => (long)i), Ids(train).Concat(Ids(test)).Order());
        Assert.Equal("pennfudan train", train.Name);
        Assert.Throws<ArgumentOutOfRangeException>(() => PennFudanDataset.Open(folder.Path).Split(11, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => train.Load(7));
        Assert.Equal([3L, 1], Ids(PennFudanDataset.Open(folder.Path).Subset([2, 0])));
        Assert.Equal([1L, 2], Ids(PennFudanDataset.Open(folder.Path).Take(2)));
        Assert.Throws<ArgumentOutOfRangeException>(() => train.Subset([7]));
    }

    [Fact]
    public void What_is_missing_is_named()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("PNGImages", Assert.Throws<ImageException>(() => PennFudanDataset.Open(folder.Path)).Message, StringComparison.Ordinal);
        Write(folder, "a", 2, 2, (_, _) => 1);
        File.Delete(Path.Combine(folder.Path, "PedMasks", "a_mask.png"));
        Assert.Contains("a_mask.png", Assert.Throws<ImageException>(() => PennFudanDataset.Open(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Masks_of_another_size_or_kind_are_refused()
    {
        using var folder = new TemporaryFolder();
        Write(folder, "a", 2, 2, (_, _) => 1);
        var mask = Path.Combine(folder.Path, "PedMasks", "a_mask.png");
        WriteGrey(mask, 3, 2, (_, _) => 1);
        Assert.Contains("3 × 2", Assert.Throws<ImageException>(() => PennFudanDataset.Open(folder.Path).Load(0)).Message, StringComparison.Ordinal);
        using var colours = zeros(3, 2, 2);
        ImageFile.SavePng(colours, mask);
        Assert.Contains("8-bit grey", Assert.Throws<ImageException>(() => PennFudanDataset.Open(folder.Path).Load(0)).Message, StringComparison.Ordinal);
    }

    private static string PublishedFolder()
    {
        var data = Environment.GetEnvironmentVariable("FILTERPRUNING_DATA");
        var folder = Path.Combine(data ?? string.Empty, "pennfudan", "PennFudanPed");
        Assert.SkipWhen(data is null || !Directory.Exists(folder), "FILTERPRUNING_DATA is not set, or has no pennfudan/PennFudanPed.");
        return folder;
    }

    private static List<long> Ids(IDetectionDataset dataset)
    {
        var ids = new List<long>();
        for (var index = 0; index < dataset.Count; index++)
        {
            using var sample = dataset.Load(index);
            ids.Add(sample.ImageId);
        }

        return ids;
    }

    private static void Write(TemporaryFolder folder, string name, int width, int height, Func<int, int, byte> id)
    {
        Directory.CreateDirectory(folder.File("PNGImages"));
        Directory.CreateDirectory(folder.File("PedMasks"));
        using var image = zeros(3, height, width);
        ImageFile.SavePng(image, Path.Combine(folder.Path, "PNGImages", name + ".png"));
        WriteGrey(Path.Combine(folder.Path, "PedMasks", name + "_mask.png"), width, height, id);
    }

    private static void WriteGrey(string path, int width, int height, Func<int, int, byte> value)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Gray8, SKAlphaType.Opaque));
        for (var i = 0; i < width * height; i++)
            bitmap.GetPixelSpan()[(i / width * bitmap.RowBytes) + (i % width)] = value(i % width, i / width);
        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        File.WriteAllBytes(path, data.ToArray());
    }
}
