using FilterPruning.Detection.Models;
using FilterPruning.Storage;

namespace FilterPruning.Cli;

/// <summary>What a training starts from.</summary>
internal static class InitialWeights
{
    private const string Backbone = "backbone.body.";

    private static readonly string[] Heads = ["roi_heads.box_predictor.", "roi_heads.mask_predictor.mask_fcn_logits."];

    /// <summary>
    /// Loads a detector's weights, or a ResNet's into the backbone. Output layers of another number of classes stay as they were initialised. So do the
    /// norms of convolutions that the file lacks: they were made for other weights.
    /// </summary>
    /// <returns>Sentences on what was loaded, what is missing, and what is trained.</returns>
    /// <exception cref="PruningException">Nothing fits, or a weight is missing that the training would leave at its random values.</exception>
    /// <param name="model">What is to be trained.</param>
    /// <param name="path">The file.</param>
    /// <param name="weightsKey">The entry of a checkpoint to take; null: found by rule.</param>
    public static string Load(MaskRcnnModel model, string path, string? weightsKey = null)
    {
        if (!File.Exists(path))
            throw new ArgumentException($"There is no file '{path}'. Give a .safetensors or .pth file with --init.");
        using var source = ModelFile.Open(path);
        var shapes = model.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.shape.ToArray());
        var options = new StateDictOptions { Rename = TorchvisionKeys.Migrate, Strict = false, Container = weightsKey };
        var prefix = StateDictLoader.FindPrefix(model, source, options);
        var inside = source.Names.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).ToList();
        // A name as the loader gives it to the rename below, and the source's.
        var full = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in inside)
            full[name[prefix.Length..]] = full[name[prefix.Length..].Replace("_orig_mod.", "", StringComparison.Ordinal)] = name;
        var stored = full.Keys.Select(TorchvisionKeys.Migrate).OfType<string>().ToHashSet(StringComparer.Ordinal);
        string? Rename(string key)
        {
            var name = TorchvisionKeys.Migrate(key);
            var otherClasses = name is not null && Heads.Any(head => name.StartsWith(head, StringComparison.Ordinal))
                && shapes.TryGetValue(name, out var shape) && !source.Describe(full[key]).Shape.SequenceEqual(shape);
            var orphan = name is not null && NormedBy(name) is { } convolution && shapes.ContainsKey(convolution) && stored.Contains(Backbone + "conv1.weight") && !stored.Contains(convolution);
            return otherClasses || orphan ? null : name;
        }

        var report = StateDictLoader.Load(model, source, options with { Rename = Rename, Prefix = prefix });
        if (report.Loaded.Count == 0)
            throw new PruningException($"'{path}' has no weight that fits this model. Give a Mask R-CNN's or a ResNet's state dict of the same architecture.");
        return CheckpointNote.Text(path, report) is { } note ? $"{note} {Describe(model, path, report)}" : Describe(model, path, report);
    }

    /// <summary>The weight of the convolution in front of a backbone's norm; null for what is no part of such a norm.</summary>
    private static string? NormedBy(string name)
    {
        var parts = name.Split('.');
        if (parts.Length < 3 || !name.StartsWith(Backbone, StringComparison.Ordinal))
            return null;
        var norm = parts[^2];
        if (norm.StartsWith("bn", StringComparison.Ordinal))
            parts[^2] = "conv" + norm[2..];
        else if (norm == "1" && parts[^3] == "downsample")
            parts[^2] = "0";
        else
            return null;
        parts[^1] = "weight";
        return string.Join('.', parts);
    }

    private static string Describe(MaskRcnnModel model, string path, StateDictReport report)
    {
        var missing = report.Missing.Where(name => !name.EndsWith("num_batches_tracked", StringComparison.Ordinal)).ToHashSet(StringComparer.Ordinal);
        var parameters = model.named_parameters().ToList();
        var lost = parameters.Where(entry => missing.Contains(entry.name) && !entry.parameter.requires_grad).Select(entry => entry.name).ToList();
        if (lost.Count > 0)
        {
            throw new PruningException(
                $"'{path}' lacks {List(lost)}, which this training does not train: they would stay at their random values. "
                + "Give a file that has them, or a recipe that trains their stage.");
        }

        var said = new List<string> { $"Started from '{path}': {report.Loaded.Count} tensors loaded." };
        var ofBackbone = parameters.Where(entry => missing.Contains(entry.name) && entry.name.StartsWith(Backbone, StringComparison.Ordinal)).Select(entry => entry.name).ToList();
        if (ofBackbone.Count > 0)
            said.Add($"Missing in the backbone, so trained from scratch without its norms' old values: {List(ofBackbone)}.");
        var others = parameters.Where(entry => missing.Contains(entry.name)).Select(entry => PartOf(entry.name)).Where(part => !part.StartsWith(Backbone, StringComparison.Ordinal)).Distinct().ToList();
        if (others.Count > 0)
            said.Add($"New at random: {string.Join(", ", others)}.");
        var trained = parameters.Where(entry => entry.parameter.requires_grad).ToList();
        said.Add($"Trained: {string.Join(", ", trained.Select(entry => PartOf(entry.name)).Distinct())} ({Millions(trained)} of {Millions(parameters)} M parameters).");
        return string.Join(' ', said);
    }

    private static string Millions(IEnumerable<(string Name, TorchSharp.Modules.Parameter Parameter)> parameters) =>
        $"{parameters.Sum(entry => entry.Parameter.numel()) / 1e6:0.0}";

    private static string List(List<string> names) => names.Count <= 8 ? string.Join(", ", names) : $"{string.Join(", ", names.Take(8))} and {names.Count - 8} more";

    /// <summary>The stage of the backbone, or the module of the detector, that a parameter belongs to.</summary>
    private static string PartOf(string name)
    {
        var parts = name.Split('.');
        return string.Join('.', parts.Take(parts[0] == "rpn" ? 1 : parts[1] == "body" ? 3 : 2));
    }
}
