using System.Text.Json.Nodes;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;

namespace FilterPruning.Detection.Tests.Data;

public sealed class CocoDatasetTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("coco").FullName;
    private readonly JsonObject _file;

    // Two images of 4 × 6; on image 9 a square as polygon, a crowd, one without a segmentation, one without width, on image 3 runs. Ids are out of order on purpose.
    public CocoDatasetTests()
    {
        _file = JsonNode.Parse("""
            {
              "images": [
                { "id": 9, "file_name": "nine.png", "height": 4, "width": 6, "licence": { "unknown": [1] } },
                { "id": 3, "file_name": "three.png", "height": 4, "width": 6 }
              ],
              "categories": [{ "id": 40, "name": "fig" }, { "id": 7, "name": "date" }],
              "annotations": [
                { "id": 1, "image_id": 9, "category_id": 40, "bbox": [1, 1, 2, 2], "area": 4, "iscrowd": 0, "segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]] },
                { "id": 2, "image_id": 9, "category_id": 7, "bbox": [0, 0, 1, 4], "area": 4, "iscrowd": 1, "segmentation": { "size": [4, 6], "counts": [0, 4, 20] } },
                { "id": 3, "image_id": 9, "category_id": 7, "bbox": [0, 0, 1, 4], "area": 4, "segmentation": [] },
                { "id": 4, "image_id": 9, "category_id": 7, "bbox": [2, 0, 0, 4], "area": 4, "segmentation": [[2, 0, 2, 4, 2, 2]] },
                { "id": 5, "image_id": 3, "category_id": 7, "area": 2.5, "segmentation": { "size": [4, 6], "counts": "52a0" } },
                { "id": 6, "image_id": 3, "category_id": 7, "bbox": [-1, 2, 9, 9], "segmentation": [[-1, 2, 8, 2, 8, 11, -1, 11]] }
              ]
            }
            """)!.AsObject();
        Directory.CreateDirectory(Path.Combine(_folder, "images"));
        using var image = zeros(3, 4, 6);
        ImageFile.SavePng(image, Path.Combine(_folder, "images", "nine.png"));
        ImageFile.SavePng(image, Path.Combine(_folder, "images", "three.png"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Categories_in_ascending_order_of_ids_are_the_labels()
    {
        var dataset = Open();
        Assert.Equal(["date", "fig"], dataset.ClassNames);
        Assert.Equal(2, dataset.Count);
        using var first = dataset.Load(0);
        using var second = dataset.Load(1);
        Assert.Equal((3L, 9L), (first.ImageId, second.ImageId));
        Assert.Equal([1L, 1L], first.Target.Labels.data<long>().ToArray());
        Assert.Equal([2L], second.Target.Labels.data<long>().ToArray());
    }

    [Fact]
    public void Category_ids_can_be_kept_as_labels()
    {
        var dataset = Open(new CocoDatasetOptions { KeepCategoryIds = true });
        Assert.Equal(40, dataset.ClassNames.Count);
        Assert.Equal(("date", "fig", "N/A"), (dataset.ClassNames[6], dataset.ClassNames[39], dataset.ClassNames[7]));
        using var sample = dataset.Load(1);
        Assert.Equal([40L], sample.Target.Labels.data<long>().ToArray());
    }

    [Fact]
    public void Targets_hold_boxes_on_the_image_and_masks()
    {
        var dataset = Open();
        using var runs = dataset.Load(0);
        // five pixels down the columns, then two: rows 1 and 2 of column 1; the box comes from the mask. The other box is cut to the image.
        Assert.Equal([1f, 1f, 2f, 3f, 0f, 2f, 6f, 4f], runs.Target.Boxes.data<float>().ToArray());
        Assert.Equal([2L, 4L, 6L], runs.Target.Masks.shape);
        Assert.Equal(ScalarType.Byte, runs.Target.Masks.dtype);
        Assert.Equal([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, .. new byte[12], .. Enumerable.Repeat((byte)1, 12)], runs.Target.Masks.data<byte>().ToArray());

        using var polygon = dataset.Load(1);
        Assert.Equal([1f, 1f, 3f, 3f], polygon.Target.Boxes.data<float>().ToArray());
        Assert.Equal([0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], polygon.Target.Masks.data<byte>().ToArray());
        Assert.Equal([3L, 4L, 6L], polygon.Image.shape);
    }

    [Fact]
    public void Crowds_are_apart_and_what_is_unusable_is_counted()
    {
        var dataset = Open();
        using var sample = dataset.Load(1);
        var crowd = Assert.Single(sample.Crowds);
        Assert.Equal((1, 4L, 4.0, (0.0, 0.0, 1.0, 4.0)), (crowd.Label, crowd.Mask.Area, crowd.Area, crowd.Box));
        Assert.Equal([3L, 4L], dataset.Skipped.Select(skipped => skipped.AnnotationId));
    }

    [Fact]
    public void Ground_truth_keeps_the_annotated_areas_and_crowds()
    {
        var truth = Open().GroundTruth(0);
        Assert.Equal([2.5, 12.0], truth.Select(instance => instance.Area)); // 12 pixels where no area is given
        Assert.Equal((1.0, 1.0, 1.0, 2.0), truth[0].Box);
        Assert.Equal([false, true, false, false], Open().GroundTruth(1).Select(instance => instance.IsCrowd));
    }

    [Fact]
    public void Images_without_objects_can_be_left_out()
    {
        _file["annotations"]!.AsArray().RemoveAt(0); // image 9 now has a crowd and unusable ones only
        Assert.Equal(1, Open(new CocoDatasetOptions { OnlyImagesWithObjects = true }).Count);
        var dataset = Open();
        Assert.Equal(2, dataset.Count);
        using var empty = dataset.Load(1);
        Assert.Equal([0L, 4L], empty.Target.Boxes.shape);
        Assert.Equal([0L], empty.Target.Labels.shape);
        Assert.Equal([0L, 4L, 6L], empty.Target.Masks.shape);
    }

    [Theory]
    [InlineData("images", 0, "file_name", "\"other.png\"", "Image 9")]
    [InlineData("images", 0, "file_name", "\"../images/nine.png/../../../x.png\"", "leads out of")]
    [InlineData("images", 0, "file_name", "null", "no file_name")]
    [InlineData("images", 0, "id", "3", "two images with id 3")]
    [InlineData("images", 0, "height", "-4", "-4 × 6")]
    [InlineData("images", 0, "height", "2000000000", "2000000000 × 6")]
    [InlineData("categories", 0, "id", "7", "two categories with id 7")]
    [InlineData("annotations", 0, "image_id", "10", "annotation 1 on image 10")]
    [InlineData("annotations", 0, "category_id", "1", "annotation 1 of category 1, but its categories are 7, 40")]
    [InlineData("annotations", 0, "bbox", "[1, 2, 3]", "bbox [1, 2, 3]")]
    [InlineData("annotations", 0, "bbox", "[1, 2, 3, 1e99]", "1E+99")]
    [InlineData("annotations", 0, "segmentation", "[[1, 2, 3, 4, 5]]", "pairs x, y")]
    [InlineData("annotations", 0, "segmentation", "[1, 2, 3, 4]", "each be a list")]
    [InlineData("annotations", 0, "segmentation", "[[1, \"2\"]]", "numbers only")]
    [InlineData("annotations", 0, "segmentation", "\"1234\"", "list of polygons or an object")]
    [InlineData("annotations", 0, "segmentation", "{ \"counts\": [24] }", "\"size\": [height, width]")]
    [InlineData("annotations", 0, "segmentation", "{ \"size\": [4, 6], \"counts\": [-1, 25] }", "not negative")]
    [InlineData("annotations", 0, "segmentation", "{ \"size\": [4, 6] }", "\"counts\" as a list")]
    [InlineData("annotations", 0, "image_id", null, "image_id")]
    public void Damaged_files_are_refused(string list, int index, string key, string? value, string message)
    {
        var entry = _file[list]![index]!.AsObject();
        entry.Remove(key);
        if (value is not null)
            entry.Add(key, JsonNode.Parse(value));
        Assert.Contains(message, Assert.Throws<DatasetException>(() => Open()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{ \"size\": [6, 4], \"counts\": [24] }", "6 × 4")]
    [InlineData("{ \"size\": [4, 6], \"counts\": [23] }", "sum to 23")]
    [InlineData("{ \"size\": [4, 6], \"counts\": \"~\" }", "U+007E")]
    [InlineData("[[1, 1, 2, 2, 1e7, 3]]", "1000000")]
    public void Damaged_segmentations_are_refused_on_loading(string segmentation, string message)
    {
        _file["annotations"]![0]!["segmentation"] = JsonNode.Parse(segmentation);
        var dataset = Open();
        var error = Assert.Throws<DatasetException>(() => dataset.Load(1));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Contains("Annotation 1 on image 9", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_of_another_size_is_refused()
    {
        using var image = zeros(3, 6, 4);
        ImageFile.SavePng(image, Path.Combine(_folder, "images", "nine.png"));
        var error = Assert.Throws<DatasetException>(() => Open().Load(1));
        Assert.Contains("is 6 × 4 but image 9 is annotated as 4 × 6", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_that_is_cut_off_is_refused_with_its_place()
    {
        var path = Path.Combine(_folder, "trainval.json");
        File.WriteAllText(path, _file.ToJsonString()[..300]);
        var error = Assert.Throws<DatasetException>(() => CocoDataset.OpenFolder(_folder));
        Assert.Contains("trainval.json", error.Message, StringComparison.Ordinal);
        Assert.Contains("BytePosition", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_annotations_or_with_several_is_refused()
    {
        Assert.Contains("no COCO annotation file", Assert.Throws<DatasetException>(() => CocoDataset.OpenFolder(_folder)).Message, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(_folder, "a.json"), _file.ToJsonString());
        Assert.Equal(2, CocoDataset.OpenFolder(_folder).Count);
        File.WriteAllText(Path.Combine(_folder, "b.json"), "{}");
        Assert.Contains("a.json, b.json", Assert.Throws<DatasetException>(() => CocoDataset.OpenFolder(_folder)).Message, StringComparison.Ordinal);
        Assert.Contains("no folder", Assert.Throws<DatasetException>(() => CocoDataset.OpenFolder(Path.Combine(_folder, "none"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Results_are_written_and_read_back()
    {
        Save();
        var truth = CocoGroundTruth.Read(Path.Combine(_folder, "trainval.json"));
        var path = Path.Combine(_folder, "results.json");
        DetectedInstance[] detections = [new(9, 40, (1.25, 0, 1, 2), RleMask.Empty(4, 6), 0.1), new(3, 7, (0, 0, 6, 4), null, 1.0 / 3)];
        CocoResults.Write(path, detections);
        Assert.Equal(detections, CocoResults.Read(path, truth));
        CocoResults.Write(path, [detections[0] with { ImageId = 4 }]);
        Assert.Contains("image 4", Assert.Throws<DatasetException>(() => CocoResults.Read(path, truth)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_leaks()
    {
        var dataset = Open();
        dataset.Load(0).Dispose();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        for (var i = 0; i < dataset.Count; i++)
            dataset.Load(i).Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Theory]
    [InlineData("coco_mini", 50, 80, 465, 5)]
    [InlineData("fruits_nuts", 18, 3, 165, 0)]
    public void Real_data_sets_are_read_whole(string name, int images, int classes, int objects, int crowds)
    {
        var dataset = CocoDataset.OpenFolder(DevelopmentData.Path(name));
        Assert.Equal((name, images, classes), (dataset.Name, dataset.Count, dataset.ClassNames.Count));
        Assert.Empty(dataset.Skipped);
        var truth = Enumerable.Range(0, dataset.Count).SelectMany(dataset.GroundTruth).ToArray();
        Assert.Equal((objects, crowds), (truth.Count(instance => !instance.IsCrowd), truth.Count(instance => instance.IsCrowd)));
        for (var i = 0; i < 3; i++)
        {
            using var sample = dataset.Load(i);
            var here = dataset.GroundTruth(i).Where(instance => !instance.IsCrowd).ToArray();
            Assert.Equal(here.Length, sample.Target.Boxes.shape[0]);
            Assert.Equal(here.Select(instance => instance.Mask!.Area), here.Length == 0 ? [] : sample.Target.Masks.sum([1, 2], type: ScalarType.Int64).data<long>().ToArray());
            Assert.True(sample.Image.max().item<float>() > 0.5f);
        }
    }

    private CocoDataset Open(CocoDatasetOptions? options = null)
    {
        Save();
        return CocoDataset.OpenFolder(_folder, options);
    }

    private void Save() => File.WriteAllText(Path.Combine(_folder, "trainval.json"), _file.ToJsonString());
}
