using FilterPruning.Storage;

namespace FilterPruning.Reliability.Kills;

/// <summary>A command that is killed and started again until it is done, and what must hold of its files all the while.</summary>
internal abstract class KillCase
{
    /// <summary>The name of the command.</summary>
    public abstract string Name { get; }

    /// <summary>The arguments, the same for every start.</summary>
    /// <param name="folder">Where its results go.</param>
    public abstract string[] Arguments(string folder);

    /// <summary>The names of the result files: all that may be in the folder in the end.</summary>
    public abstract IReadOnlyList<string> Results { get; }

    /// <summary>Puts what was there before the command into its folder.</summary>
    public virtual void Prepare(string folder)
    {
    }

    /// <summary>What is wrong right after a kill, if anything.</summary>
    /// <param name="folder">The results' folder.</param>
    /// <param name="reference">The folder of the unbroken run.</param>
    /// <param name="before">What <see cref="Progress"/> said before this start.</param>
    public abstract string? AfterKill(string folder, string reference, int before);

    /// <summary>How much of the work is committed: it must never fall.</summary>
    public abstract int Progress(string folder);

    /// <summary>What differs from the unbroken run in the end, if anything.</summary>
    public virtual string? AtEnd(string folder, string reference)
    {
        foreach (var name in Results)
        {
            if (!File.Exists(Path.Combine(folder, name)))
                return $"{name} is missing";
            if (!Same(Path.Combine(folder, name), Path.Combine(reference, name)))
                return $"{name} differs from the unbroken run's";
        }

        return null;
    }

    /// <summary>Whether two files hold the same bytes.</summary>
    protected static bool Same(string one, string other) => File.ReadAllBytes(one).AsSpan().SequenceEqual(File.ReadAllBytes(other));
}

/// <summary>A training that is resumed from its state.</summary>
internal class TrainCase : KillCase
{
    private const string Out = "out.safetensors";

    public override string Name => "train";

    public override IReadOnlyList<string> Results => [Out];

    public override string[] Arguments(string folder) =>
        ["train", "--data", "shapescenes", "--images", "16", "--epochs", "4", "--iterations", "8", "--size", "64", "--checkpoint-every", "1", "--resume", "--out", Path.Combine(folder, Out)];

    public override int Progress(string folder)
    {
        if (File.Exists(Path.Combine(folder, Out)))
            return int.MaxValue;
        var state = Path.Combine(folder, Out + ".training");
        if (!File.Exists(state))
            return 0;
        using var file = SafetensorsFile.Open(state);
        return int.Parse(file.Metadata["iteration"], System.Globalization.CultureInfo.InvariantCulture);
    }

    public override string? AfterKill(string folder, string reference, int before)
    {
        var path = Path.Combine(folder, Out);
        if (File.Exists(path) && !Same(path, Path.Combine(reference, Out)))
            return $"{Out} is there, but is not the unbroken run's";
        return Progress(folder) < before ? $"the training's state went back from iteration {before} to {Progress(folder)}" : null;
    }
}

/// <summary>A fine-tuning with a teacher, resumed from its state.</summary>
/// <param name="pruned">The pruned detector.</param>
internal sealed class FineTuneCase(string pruned) : TrainCase
{
    public override string Name => "finetune";

    public override string[] Arguments(string folder) =>
        ["finetune", "--weights", pruned, "--teacher", ToolProcess.Sample, "--data", "shapescenes", "--images", "8", "--epochs", "4", "--budget", "1", "--checkpoint-every", "1", "--resume",
            "--out", Path.Combine(folder, Results[0])];
}

/// <summary>Results that replace older files, each of which is at any time the old one or the new one.</summary>
internal abstract class ReplaceCase : KillCase
{
    private const string Old = "what was there before";

    public override void Prepare(string folder)
    {
        foreach (var name in Results)
            File.WriteAllText(Path.Combine(folder, name), Old);
    }

    public override int Progress(string folder) => Results.Count(name => File.ReadAllText(Path.Combine(folder, name)) != Old);

    public override string? AfterKill(string folder, string reference, int before)
    {
        foreach (var name in Results)
        {
            var path = Path.Combine(folder, name);
            if (!File.Exists(path))
                return $"{name} is gone";
            if (File.ReadAllText(path) != Old && !Same(path, Path.Combine(reference, name)))
                return $"{name} is neither the old file nor the new one";
        }

        return null;
    }
}

/// <summary>A pruned model and its plan.</summary>
internal sealed class PruneCase : ReplaceCase
{
    public override string Name => "prune";

    public override IReadOnlyList<string> Results => ["out.safetensors", "plan.json"];

    public override string[] Arguments(string folder) =>
        ["prune", "--weights", ToolProcess.Sample, "--ratio", "0.4", "--out", Path.Combine(folder, Results[0]), "--plan", Path.Combine(folder, Results[1])];
}

/// <summary>A detector as an ONNX graph.</summary>
internal sealed class ExportCase : ReplaceCase
{
    public override string Name => "export";

    public override IReadOnlyList<string> Results => ["out.onnx"];

    public override string[] Arguments(string folder) => ["export", "--weights", ToolProcess.Sample, "--format", "onnx", "--verify", "false", "--out", Path.Combine(folder, Results[0])];
}
