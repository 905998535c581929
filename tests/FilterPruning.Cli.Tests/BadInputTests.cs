using FilterPruning.Detection.Models;
using FilterPruning.Storage;

namespace FilterPruning.Cli.Tests;

/// <summary>Bad input ends with exit code 2, a message that names what is wrong, nothing on standard output, and no file written.</summary>
public sealed class BadInputTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static string Sample => SampleCheckpoint.Find();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("1.2")]
    [InlineData("-0.1")]
    [InlineData("1")]
    public async Task A_ratio_outside_its_range(string ratio) =>
        await Refuses([ratio], "prune", "--weights", Sample, "--ratio", ratio, "--out", _folder["out.safetensors"]);

    [Fact]
    public async Task Neither_a_ratio_nor_a_target() =>
        await Refuses(["--ratio", "--target-macs", "--target-params", "--target-bytes"], "prune", "--weights", Sample, "--out", _folder["out.safetensors"]);

    [Fact]
    public async Task A_ratio_and_a_target() =>
        await Refuses(["Several"], "prune", "--weights", Sample, "--ratio", "0.4", "--target-macs", "0.5", "--out", _folder["out.safetensors"]);

    [Theory]
    [InlineData("--target-macs", "half")]
    [InlineData("--target-params", "0")]
    [InlineData("--target-bytes", "-3")]
    [InlineData("--target-bytes", "120%")]
    public async Task A_target_that_is_none(string option, string value) =>
        await Refuses([value], "prune", "--weights", Sample, $"{option}={value}", "--out", _folder["out.safetensors"]);

    [Fact]
    public async Task A_target_out_of_reach() =>
        await Refuses(["bytes:1000", "allowed is"], "prune", "--weights", Sample, "--target-bytes", "1k", "--out", _folder["out.safetensors"]);

    [Theory]
    [InlineData("--criterion", "gram")]
    [InlineData("--scope", "allocated")]
    public async Task A_choice_that_measures_without_images(string option, string value) =>
        await Refuses([option, value, "--repair"], "prune", "--weights", Sample, "--ratio", "0.4", option, value, "--out", _folder["out.safetensors"]);

    [Fact]
    public async Task A_layer_ratio_without_a_ratio() =>
        await Refuses(["fpn"], "prune", "--weights", Sample, "--ratio", "0.4", "--layer-ratio", "fpn", "--out", _folder["out.safetensors"]);

    [Fact]
    public async Task A_file_that_does_not_exist() =>
        await Refuses(["nothing.safetensors"], "prune", "--model", "maskrcnn_resnet18_fpn", "--weights", _folder["nothing.safetensors"], "--ratio", "0.4", "--out", _folder["out.safetensors"]);

    [Fact]
    public async Task A_pattern_that_matches_nothing() =>
        await Refuses(["rpn.haed.conv"], "prune", "--weights", Sample, "--ratio", "0.4", "--ignore", "rpn.haed.conv*", "--out", _folder["out.safetensors"]);

    [Fact]
    public async Task A_class_count_that_is_not_the_files() =>
        await Refuses(["91", "6"], "prune", "--weights", Sample, "--classes", "91", "--ratio", "0.4", "--out", _folder["out.safetensors"]);

    [Fact]
    public async Task A_class_count_that_is_not_the_state_dicts()
    {
        // A state dict that says nothing about itself: the sample's tensors without its description.
        using (var sample = SafetensorsFile.Open(Sample))
        {
            using var scope = NewDisposeScope();
            var tensors = sample.ReadAll();
            SafetensorsFile.Write(_folder["plain.safetensors"], tensors);
        }

        await Refuses(["--classes 6"], "eval", "--model", "maskrcnn_resnet18_fpn", "--weights", _folder["plain.safetensors"], "--data", "shapescenes");
    }

    [Fact]
    public async Task A_truncated_file()
    {
        var bytes = await File.ReadAllBytesAsync(Sample, TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(_folder["cut.safetensors"], bytes[..(bytes.Length / 2)], TestContext.Current.CancellationToken);

        await Refuses(["cut.safetensors"], "prune", "--weights", _folder["cut.safetensors"], "--ratio", "0.4", "--out", _folder["out.safetensors"]);
    }

    [Fact]
    public async Task A_pickle_that_wants_to_run_code() =>
        await Refuses(["system"], "detect", "--model", "maskrcnn_resnet18_fpn", "--weights", Path.Combine(AppContext.BaseDirectory, "fixtures", "hostile_os_system.pth"), Sample);

    [Fact]
    public async Task An_unknown_model() =>
        await Refuses(["maskrcnn_resnet50_fpn"], "inspect", "--model", "maskrcnn_resnet50_fnp");

    [Fact]
    public async Task An_unknown_criterion() =>
        await Refuses(["l3", "l1"], "prune", "--weights", Sample, "--ratio", "0.4", "--criterion", "l3", "--out", _folder["out.safetensors"]);

    [Fact]
    public async Task An_exponent_that_is_none() =>
        await Refuses(["'lp:0'", "lp:0.5"], "prune", "--weights", Sample, "--ratio", "0.4", "--criterion", "lp:0", "--out", _folder["out.safetensors"]);

    [Fact]
    public async Task A_folder_that_does_not_exist() =>
        await Refuses(["nowhere"], "eval", "--weights", Sample, "--data", _folder["nowhere"]);

    [Fact]
    public async Task A_repair_folder_without_images() =>
        await Refuses(["no image"], "prune", "--weights", Sample, "--ratio", "0.4", "--repair", _folder.Root, "--out", _folder["out.safetensors"]);

    [Fact]
    public async Task An_option_there_is_not() =>
        await Refuses(["--rato"], "prune", "--weights", Sample, "--rato", "0.4", "--out", _folder["out.safetensors"]);

    [Fact]
    public void A_cancelled_command_has_an_exit_code_of_its_own() =>
        Assert.Equal(ExitCode.Cancelled, CommandLine.Guard(() => throw new OperationCanceledException()));

    private async Task Refuses(string[] words, params string[] args)
    {
        var before = Directory.GetFiles(_folder.Root).Order();
        var result = await Tool.RunAsync(args);

        Assert.Equal(ExitCode.BadInput, result.ExitCode);
        Assert.All(words, word => Assert.Contains(word, result.Error, StringComparison.Ordinal));
        Assert.Empty(result.Output);
        Assert.Equal(before, Directory.GetFiles(_folder.Root).Order());
    }
}
