using FilterPruning.Detection.Training;
using FilterPruning.Storage;

namespace FilterPruning.Detection.Tests.Training;

/// <summary>Checkpoints whose metadata is damaged: an error of its own, and the model as it was.</summary>
public sealed class HostileCheckpointTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("checkpoint").FullName;
    private readonly TorchSharp.Modules.Linear _model = nn.Linear(2, 2);

    public void Dispose()
    {
        _model.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private string Checkpoint(string key, string? value)
    {
        using var scope = NewDisposeScope();
        var metadata = new Dictionary<string, string> { ["format"] = "FilterPruning training checkpoint", ["version"] = "1", ["iteration"] = "7", ["data"] = "data", ["method"] = "", ["options"] = "{}" };
        metadata.Remove(key);
        if (value is not null)
            metadata.Add(key, value);
        var path = Path.Combine(_folder, "c.safetensors");
        SafetensorsFile.Write(path, [new("model.weight", full([2, 2], 9f)), new("model.bias", full([2], 9f))], metadata);
        return path;
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("seven")]
    [InlineData("99999999999")]
    public void An_iteration_that_is_no_number_leaves_the_model_as_it_was(string? iteration)
    {
        var path = Checkpoint("iteration", iteration);
        var error = Assert.Throws<PruningException>(() => TrainingCheckpoint.LoadWeights(_model, path));
        Assert.Contains("iterations", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(9f, _model.weight.data<float>());
        Assert.Throws<PruningException>(() => TrainingCheckpoint.ExportWeights(path, Path.Combine(_folder, "out.safetensors")));
        Assert.False(File.Exists(Path.Combine(_folder, "out.safetensors")));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("7")]
    [InlineData("")]
    public void Options_that_are_no_object(string options)
    {
        var path = Checkpoint("options", options);
        var plain = new TrainingOptions();
        using var state = new TrainingState(_model, [.. _model.named_parameters().Select(entry => (entry.name, entry.parameter))], plain, null);
        Assert.Contains("options", Assert.Throws<PruningException>(() => TrainingCheckpoint.Read(path, state, plain, "data", "")).Message, StringComparison.Ordinal);
        Assert.DoesNotContain(9f, _model.weight.data<float>());
    }

    [Fact]
    public void The_undamaged_one_is_loaded()
    {
        Assert.Equal(7, TrainingCheckpoint.LoadWeights(_model, Checkpoint("iteration", "7")));
        Assert.All(_model.weight.data<float>(), value => Assert.Equal(9f, value));
    }
}
