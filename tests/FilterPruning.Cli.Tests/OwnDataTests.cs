using System.Text.Json.Nodes;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Cli.Tests;

/// <summary>A user's own photos in COCO's format: how a folder is split, what training keeps of it, what evaluation takes, and what is refused.</summary>
public sealed class OwnDataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_folder_with_one_annotation_file_trains_and_is_measured_on_what_was_held_out()
    {
        WriteFolder("mine", Enumerable.Range(0, 10));
        var file = _folder["mine.safetensors"];

        var train = await Tool.RunAsync(
            "train", "--model", "maskrcnn_resnet18_fpn", "--data", _folder["mine"], "--size", "64", "--iterations", "2", "--held-out", "0.3", "--seed", "5", "--out", file, "--json");
        Assert.Equal(ExitCode.Done, train.ExitCode);
        Assert.Contains("3 of 10 images are held out", train.Error, StringComparison.Ordinal);
        Assert.Equal(2, (int)train.Json["iterations"]!);

        var description = DetectorFile.Describe(file)!;
        Assert.Equal(["ring", "bar"], description.ClassNames);
        Assert.Equal(new TrainingSplit { Data = "mine", Images = 10, Training = 7, Seed = 5 }, description.Split);
        Assert.Equal(64, description.Options.MinSize);
        Assert.Equal(description.Split, DetectorDescription.FromJson(description.ToJson()).Split);

        var eval = await Tool.RunAsync("eval", "--weights", file, "--data", _folder["mine"], "--json");
        Assert.Equal(ExitCode.Done, eval.ExitCode);
        Assert.Equal(3, (int)eval.Json["images"]!);

        // A photo more, and nobody knows any longer which were held out.
        WriteFolder("mine", Enumerable.Range(0, 11));
        var grown = await Tool.RunAsync("eval", "--weights", file, "--data", _folder["mine"], "--json");
        Assert.Equal(ExitCode.BadInput, grown.ExitCode);
        Assert.Contains("--part all", grown.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_parts_of_a_split_are_disjoint_and_the_whole_and_depend_on_the_seed_alone()
    {
        WriteFolder("mine", Enumerable.Range(0, 10));
        var split = DataFolders.SplitOf(_folder["mine"], 0.2, 1)!;
        Assert.Equal((10, 8), (split.Images, split.Training));

        var train = Ids(DataFolders.Open(_folder["mine"], DataPart.Train, null, 99, null, split));
        var test = Ids(DataFolders.Open(_folder["mine"], DataPart.Test, null, 7, null, split));
        Assert.Equal(Enumerable.Range(0, 10).Select(id => (long)id), train.Concat(test).Order());
        Assert.Equal(test, Ids(DataFolders.Open(_folder["mine"], DataPart.Test, null, 0, null, split)));
        Assert.NotEqual(test, Ids(DataFolders.Open(_folder["mine"], DataPart.Test, null, 0, null, split with { Seed = 2 })));
        Assert.Equal(10, DataFolders.Open(_folder["mine"], DataPart.Test, null, 0).Count);
        Assert.Null(DataFolders.SplitOf(_folder["mine"], 0, 1));
    }

    // COCO's own layout, the one of annotation services, and plain names.
    [Theory]
    [InlineData("annotations/instances_train2017.json", "train2017", "annotations/instances_val2017.json", "val2017")]
    [InlineData("train/_annotations.coco.json", "train", "valid/_annotations.coco.json", "valid")]
    [InlineData("train.json", "images", "val.json", "images")]
    [InlineData("train/annotations.json", "train/images", "test/annotations.json", "test/images")]
    public void A_folder_with_parts_of_its_own_keeps_them(string trainFile, string trainImages, string testFile, string testImages)
    {
        Write("own", trainFile, trainImages, Enumerable.Range(0, 5));
        Write("own", testFile, testImages, Enumerable.Range(5, 2));

        Assert.Null(DataFolders.SplitOf(_folder["own"], 0.2, 0));
        Assert.Equal([0, 1, 2, 3, 4], Ids(DataFolders.Open(_folder["own"], DataPart.Train, null, 0)));
        Assert.Equal([5, 6], Ids(DataFolders.Open(_folder["own"], DataPart.Test, null, 0)));
        Assert.Throws<ArgumentException>(() => DataFolders.Open(_folder["own"], DataPart.All, null, 0));
    }

    [Fact]
    public void Parts_with_other_categories_are_refused()
    {
        Write("own", "train.json", "images", Enumerable.Range(0, 3));
        Write("own", "val.json", "images", Enumerable.Range(3, 2), ["ring", "bolt"]);

        var error = Assert.ThrowsAny<PruningException>(() => DataFolders.Open(_folder["own"], DataPart.Train, null, 0));
        Assert.Contains("ring, bar", error.Message, StringComparison.Ordinal);
        Assert.Contains("ring, bolt", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1", "--held-out is 1")]
    [InlineData("-0.1", "--held-out is -0.1")]
    public async Task A_share_to_hold_out_that_is_none_is_refused(string share, string words)
    {
        WriteFolder("mine", Enumerable.Range(0, 4));
        await Refuses(words, $"--held-out={share}", "--data", _folder["mine"]);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_trained_on_is_refused_with_what_is_wrong()
    {
        WriteFolder("single", [0]);
        await Refuses("--held-out 0", "--data", _folder["single"]);

        Directory.CreateDirectory(_folder["empty"]);
        await Refuses("no COCO annotation file", "--data", _folder["empty"]);

        WriteFolder("lacking", Enumerable.Range(0, 4));
        File.Delete(Path.Combine(_folder["lacking"], "images", "2.png"));
        await Refuses("2.png", "--data", _folder["lacking"]);
    }

    // Repair must not look at what the model is measured on, and finds the pictures of a data set's folder by itself.
    [Fact]
    public void Unlabelled_photos_of_the_folder_of_the_training_are_none_of_those_held_out()
    {
        WriteFolder("mine", Enumerable.Range(0, 10));
        var split = DataFolders.SplitOf(_folder["mine"], 0.5, 3)!;
        var held = DataFolders.Open(_folder["mine"], DataPart.Test, null, 0, null, split);
        using var scope = NewDisposeScope();
        var used = DataFolders.Unlabelled(_folder["mine"], 64, 0, split);
        Assert.Equal(5, used.Count);
        for (var i = 0; i < held.Count; i++)
        {
            var image = held.Load(i).Image;
            Assert.DoesNotContain(used, other => other.equal(image).all().item<bool>());
        }

        Assert.Equal(4, DataFolders.Unlabelled(_folder["mine"], 4, 0).Count);
        Assert.Equal(10, DataFolders.Unlabelled(_folder["mine"], 64, 0).Count);
    }

    [Fact]
    public async Task Somebodys_fruits_and_nuts_train_and_are_measured()
    {
        var data = DevelopmentData.Find("fruits_nuts");
        var file = _folder["fruits.safetensors"];
        var train = await Tool.RunAsync("train", "--model", "maskrcnn_resnet18_fpn", "--data", data, "--size", "96", "--iterations", "3", "--out", file, "--json");
        Assert.Equal(ExitCode.Done, train.ExitCode);
        Assert.Equal(["date", "fig", "hazelnut"], DetectorFile.Describe(file)!.ClassNames);

        var eval = await Tool.RunAsync("eval", "--weights", file, "--data", data, "--json");
        Assert.Equal(ExitCode.Done, eval.ExitCode);
        Assert.Equal(4, (int)eval.Json["images"]!);
    }

    [Theory]
    [InlineData("test", 2)]
    [InlineData("train", 8)]
    [InlineData("all", 10)]
    [InlineData(null, 10)]
    public void Evaluation_takes_the_part_it_is_told_to(string? part, int images)
    {
        WriteFolder("mine", Enumerable.Range(0, 10));
        var command = new System.CommandLine.Command("eval");
        var source = new DataSource(command, DataPart.Test);
        string[] choice = part is null ? [] : ["--part", part];
        var parsed = command.Parse(["--data", _folder["mine"], .. choice]);
        Assert.Equal(images, source.Open(parsed, new DetectorDescription { Model = "maskrcnn_resnet18_fpn", ClassNames = ["ring", "bar"] }).Count);
    }

    private static long[] Ids(IDetectionDataset data) => [.. Enumerable.Range(0, data.Count).Select(index =>
    {
        using var sample = data.Load(index);
        return sample.ImageId;
    })];

    private async Task Refuses(string words, params string[] args)
    {
        var result = await Tool.RunAsync(["train", "--model", "maskrcnn_resnet18_fpn", "--size", "64", "--iterations", "1", "--out", _folder["out.safetensors"], .. args]);
        Assert.Equal(ExitCode.BadInput, result.ExitCode);
        Assert.Contains(words, result.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["out.safetensors"]));
    }

    private void WriteFolder(string name, IEnumerable<int> ids) => Write(name, "trainval.json", "images", ids);

    /// <summary>Pictures of noise with a square of each class, and their annotations.</summary>
    private void Write(string folder, string annotationFile, string imageFolder, IEnumerable<int> ids, string[]? classes = null)
    {
        var images = new JsonArray();
        var annotations = new JsonArray();
        var place = Directory.CreateDirectory(Path.Combine(_folder[folder], imageFolder)).FullName;
        foreach (var id in ids)
        {
            using var generator = new Generator((ulong)id + 1);
            using var image = rand([3, 64, 80], generator: generator);
            ImageFile.SavePng(image, Path.Combine(place, $"{id}.png"));
            images.Add(new JsonObject { ["id"] = id, ["file_name"] = $"{id}.png", ["height"] = 64, ["width"] = 80 });
            foreach (var category in new[] { 3, 7 })
            {
                var left = category + (2 * (id % 5));
                annotations.Add(new JsonObject
                {
                    ["id"] = (10 * id) + category,
                    ["image_id"] = id,
                    ["category_id"] = category,
                    ["iscrowd"] = 0,
                    ["area"] = 400,
                    ["bbox"] = new JsonArray(left, 10, 20, 20),
                    ["segmentation"] = new JsonArray(new JsonArray(left, 10, left + 20, 10, left + 20, 30, left, 30)),
                });
            }
        }

        classes ??= ["ring", "bar"];
        var json = new JsonObject
        {
            ["images"] = images,
            ["annotations"] = annotations,
            ["categories"] = new JsonArray(new JsonObject { ["id"] = 3, ["name"] = classes[0] }, new JsonObject { ["id"] = 7, ["name"] = classes[1] }),
        };
        var file = Path.Combine(_folder[folder], annotationFile);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, json.ToJsonString());
    }
}
