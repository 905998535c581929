using FilterPruning.Detection.Models;
using FilterPruning.Storage;

namespace FilterPruning.Cli;

/// <summary>What a training starts from.</summary>
internal static class InitialWeights
{
    private static readonly string[] Heads = ["roi_heads.box_predictor.", "roi_heads.mask_predictor.mask_fcn_logits."];

    /// <summary>
    /// Loads a detector's weights, or a ResNet's into the backbone. Output layers of another number of classes stay as they were initialised.
    /// </summary>
    /// <returns>A sentence on what was loaded.</returns>
    public static string Load(MaskRcnnModel model, string path)
    {
        if (!File.Exists(path))
            throw new ArgumentException($"There is no file '{path}'. Give a .safetensors or .pth file with --init.");
        using var source = ModelFile.Open(path);
        var shapes = model.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.shape.ToArray());
        string? Rename(string key)
        {
            var name = TorchvisionKeys.Migrate(key);
            var otherClasses = name is not null && Heads.Any(head => name.StartsWith(head, StringComparison.Ordinal))
                && shapes.TryGetValue(name, out var shape) && !source.Describe(key).Shape.SequenceEqual(shape);
            return otherClasses ? null : name;
        }

        var report = StateDictLoader.Load(model, source, new StateDictOptions { Rename = Rename, Strict = false });
        if (report.Loaded.Count == 0)
            throw new PruningException($"'{path}' has no weight that fits this model. Give a Mask R-CNN's or a ResNet's state dict of the same architecture.");
        return $"Started from '{path}': {report.Loaded.Count} tensors loaded, {report.Missing.Count} keep their initial values.";
    }
}
