using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Cli.Tests;

/// <summary>Fine-tuning a pruned detector, and training its control, by their files.</summary>
public sealed class FineTuneTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static string Sample => SampleCheckpoint.Find();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_pruned_detector_is_tuned_and_keeps_its_recipe()
    {
        var small = await PruneAsync();
        var tuned = _folder["tuned.safetensors"];
        var result = await Tool.RunAsync("finetune", "--weights", small, "--teacher", Sample, "--data", "shapescenes", "--images", "32", "--budget", "0.5", "--out", tuned, "--json");

        Assert.Equal(ExitCode.Done, result.ExitCode);
        Assert.Equal(2, (int)result.Json["iterations"]!); // half of 32 scenes in batches of 8
        Assert.True((double)result.Json["distillation"]! > 0);
        Assert.True((bool)result.Json["labels"]!);
        Assert.Equal(DetectorFile.ReadPlan(small)!.ToJson(), DetectorFile.ReadPlan(tuned)!.ToJson());
        var (model, description) = DetectorFile.Load(tuned);
        using var owned = model;
        Assert.Contains("labels and a teacher", description.Origin, StringComparison.Ordinal);
        Assert.False(File.Exists(tuned + ".training"));
        Assert.NotEqual(await File.ReadAllBytesAsync(small, TestContext.Current.CancellationToken), await File.ReadAllBytesAsync(tuned, TestContext.Current.CancellationToken));

        var eval = await Tool.RunAsync("eval", "--weights", tuned, "--data", "shapescenes", "--images", "1", "--json");
        Assert.Equal(ExitCode.Done, eval.ExitCode);
    }

    [Fact]
    public async Task Pictures_without_labels_will_do_with_a_teacher()
    {
        var small = await PruneAsync();
        Directory.CreateDirectory(_folder["pictures"]);
        for (var i = 0; i < 3; i++)
        {
            using var sample = ShapeScenes.Create(3, 0).Load(i);
            ImageFile.SavePng(sample.Image, Path.Combine(_folder["pictures"], $"{i}.png"));
        }

        string[] args = ["finetune", "--weights", small, "--teacher", Sample, "--no-labels", "--data", _folder["pictures"], "--epochs", "2", "--budget", "0.5", "--distill", "masks=0", "--distill", "features=2"];
        var result = await Tool.RunAsync([.. args, "--out", _folder["a.safetensors"], "--json"]);
        Assert.Equal(ExitCode.Done, result.ExitCode);
        Assert.Equal(1, (int)result.Json["iterations"]!); // two epochs of one batch of two pictures, half of it
        Assert.Equal((double)result.Json["loss"]!, (double)result.Json["distillation"]!, 1e-6);

        // The same command gives the same file.
        await Tool.RunAsync([.. args, "--out", _folder["b.safetensors"], "--json"]);
        Assert.Equal(await File.ReadAllBytesAsync(_folder["a.safetensors"], TestContext.Current.CancellationToken), await File.ReadAllBytesAsync(_folder["b.safetensors"], TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData(-0.05, 0.05)] // independent weights do not correlate: |r| is about 1/√n
    [InlineData(0.5, 0.95, "--sliced")] // the sample was trained from those very initial weights, and still resembles them
    public async Task A_control_has_the_widths_and_not_the_weights(double least, double most, params string[] options)
    {
        var small = await PruneAsync();
        var control = _folder["control.safetensors"];
        var result = await Tool.RunAsync(["train", "--like", small, .. options, "--data", "shapescenes", "--images", "8", "--out", control, "--json"]);

        Assert.Equal(ExitCode.Done, result.ExitCode);
        using var pruned = DetectorFile.Load(small).Model;
        using var fresh = DetectorFile.Load(control).Model;
        Assert.Equal(pruned.state_dict().Select(e => (e.Key, string.Join(",", e.Value.shape))), fresh.state_dict().Select(e => (e.Key, string.Join(",", e.Value.shape))));
        using var scope = NewDisposeScope();
        var (a, b) = (pruned.get_parameter("roi_heads.box_head.fc7.weight")!.flatten(), fresh.get_parameter("roi_heads.box_head.fc7.weight")!.flatten());
        Assert.InRange(((a - a.mean()) * (b - b.mean())).mean().item<float>() / (a.std() * b.std()).item<float>(), least, most);
    }

    private async Task<string> PruneAsync()
    {
        var small = _folder["small.safetensors"];
        var prune = await Tool.RunAsync("prune", "--weights", Sample, "--ratio", "0.4", "--out", small, "--json");
        Assert.Equal(ExitCode.Done, prune.ExitCode);
        return small;
    }
}
