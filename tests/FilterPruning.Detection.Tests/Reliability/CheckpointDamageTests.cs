using FilterPruning.Detection.Data;
using FilterPruning.Detection.Tests.Training;
using FilterPruning.Detection.Training;
using FilterPruning.Storage;

namespace FilterPruning.Detection.Tests.Reliability;

/// <summary>A training state that was cut short or changed anywhere is refused by name, and neither the model nor the file is touched.</summary>
public sealed class CheckpointDamageTests : IDisposable
{
    private static readonly TrainingOptions Options = new() { Epochs = 2, BatchSize = 2, LearningRate = 0.05, WarmUpIterations = 2, AverageDecay = 0.9, Seed = 5, CheckpointInterval = 3 };

    private readonly ScratchFolder _folder = new();
    private readonly string _path;
    private readonly byte[] _whole;

    public CheckpointDamageTests()
    {
        _path = _folder.File("run.training");
        using var model = new TinyModel(1);
        Trainer(model, Options with { CheckpointPath = _path }).Train();
        _whole = File.ReadAllBytes(_path);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_flipped_bit_is_noticed_wherever_it_is()
    {
        var header = 8 + BitConverter.ToInt32(_whole);
        // All of the header's beginning, where the metadata are, and places all over the rest.
        var places = Enumerable.Range(0, 48).Concat(Enumerable.Range(0, 150).Select(i => 48 + (i * (header - 48) / 150))).Concat(Enumerable.Range(0, 100).Select(i => header + (i * (_whole.Length - header) / 100)));
        using var model = new TinyModel(9);
        var before = Values(model);
        foreach (var place in places.Append(_whole.Length - 1))
        {
            var damaged = (byte[])_whole.Clone();
            damaged[place] ^= (byte)(1 << (place % 8));
            Refused(model, damaged, $"bit {place % 8} of byte {place}");
        }

        AssertSame(before, model);
    }

    [Fact]
    public void A_file_cut_short_is_noticed_wherever_it_ends()
    {
        using var model = new TinyModel(9);
        var before = Values(model);
        for (var length = 0; length < _whole.Length; length += 1 + (_whole.Length / 60))
            Refused(model, _whole[..length], $"{length} bytes");
        Refused(model, [.. _whole, 0], "a byte too many");
        AssertSame(before, model);
    }

    [Fact]
    public void A_state_without_a_checksum_from_before_there_was_one_is_still_read()
    {
        using (var scope = NewDisposeScope())
        {
            IReadOnlyDictionary<string, Tensor> tensors;
            Dictionary<string, string> metadata;
            using (var file = SafetensorsFile.Open(_path))
                (tensors, metadata) = (file.ReadAll(), new Dictionary<string, string>(file.Metadata) { ["version"] = "1" });
            metadata.Remove("checksum");
            SafetensorsFile.Write(_path, tensors, metadata);
        }

        using var model = new TinyModel(9);
        Assert.Equal(6, TrainingCheckpoint.LoadWeights(model, _path));
        using var resumed = new TinyModel(9);
        Assert.Equal(6, Trainer(resumed, Options with { CheckpointPath = _path, Resume = true }).Train().ResumedFrom);
    }

    [Fact]
    public void A_state_that_cannot_be_written_ends_the_training_by_name_and_the_old_one_stays()
    {
        var (folder, options) = (Directory.CreateDirectory(_folder.File("away")), Options with { CheckpointInterval = 1 });
        options = options with { CheckpointPath = Path.Combine(folder.FullName, "run.training") };
        using var model = new TinyModel(1);
        var error = Assert.Throws<ModelFileException>(() => Trainer(model, options).Train(new DirectProgress(p =>
        {
            if (p.Iteration != 3)
                return;
            // A folder in the place of the file beside: what a disk that refuses looks like from here.
            Directory.CreateDirectory($"{options.CheckpointPath}.{Environment.ProcessId}.partial");
        })));

        Assert.Equal((ModelFileErrorKind.WriteFailed, options.CheckpointPath), (error.Kind, error.FilePath));
        using var old = SafetensorsFile.Open(options.CheckpointPath!);
        Assert.Equal("2", old.Metadata["iteration"]);
    }

    [Fact]
    public void Every_module_has_its_training_flag_again_after_a_training_that_was_stopped()
    {
        using var model = new TinyModel(1);
        model.train();
        model.named_modules().Single(entry => entry.name == "bn1").module.eval();
        var flags = model.named_modules().Select(entry => (entry.name, entry.module.training)).ToArray();
        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Trainer(model, Options).Train(new DirectProgress(p => stop.Cancel()), cancellation: stop.Token));
        Assert.True(model.training);
        Assert.Equal(flags, model.named_modules().Select(entry => (entry.name, entry.module.training)).ToArray());
    }

    [Fact]
    public void A_picture_that_is_gone_between_listing_and_reading_is_named()
    {
        using var image = rand(3, 8, 8);
        var pictures = Directory.CreateDirectory(_folder.File("pictures")).FullName;
        foreach (var name in new[] { "a.png", "b.png" })
            ImageFile.SavePng(image, Path.Combine(pictures, name));
        var folder = ImageFolder.Open(pictures);
        File.Delete(Path.Combine(pictures, "b.png"));
        folder.Load(0).Dispose();
        Assert.Contains("b.png", Assert.Throws<ImageException>(() => folder.Load(1)).Message, StringComparison.Ordinal);
    }

    private void Refused(TinyModel model, byte[] bytes, string what)
    {
        File.WriteAllBytes(_path, bytes);
        foreach (var use in new Action[]
        {
            () => TrainingCheckpoint.LoadWeights(model, _path),
            () => Trainer(model, Options with { CheckpointPath = _path, Resume = true }).Train(),
            () => TrainingCheckpoint.ExportWeights(_path, _folder.File("exported.safetensors")),
        })
        {
            var error = Record.Exception(use);
            Assert.True(error is PruningException, $"{what}: {error?.ToString() ?? "not noticed"}");
            Assert.Contains(_path, error!.Message, StringComparison.Ordinal);
        }

        Assert.Equal(bytes, File.ReadAllBytes(_path));
        Assert.False(File.Exists(_folder.File("exported.safetensors")));
    }

    private static DetectionTrainer Trainer(TinyModel model, TrainingOptions options) => new(model, model.Losses, new TinyData(6), options);

    private static byte[][] Values(nn.Module model) => [.. model.state_dict().Values.Select(value => value.detach().contiguous().bytes.ToArray())];

    private static void AssertSame(byte[][] before, nn.Module model) => Assert.Equal(before, Values(model));
}
