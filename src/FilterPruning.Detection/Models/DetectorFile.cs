using FilterPruning.Planning;
using FilterPruning.Storage;

namespace FilterPruning.Detection.Models;

/// <summary>
/// A detector in one safetensors file that says itself what it is: the <see cref="DetectorDescription"/> in the metadata, and for a pruned
/// detector the recipe too. Reading it runs no code from the file.
/// </summary>
public static class DetectorFile
{
    /// <summary>The metadata key of the description.</summary>
    public const string DescriptionKey = "filter_pruning.detector";

    /// <summary>Writes a detector as it is made, beside the target first, then renamed.</summary>
    /// <param name="model">The detector; only read.</param>
    /// <param name="description">What it is.</param>
    /// <param name="path">The file to write or replace.</param>
    /// <param name="halfPrecision">Store weights of two and more dimensions as float16: half the size, about three decimal digits.</param>
    /// <exception cref="PruningException">The file cannot be written; what was at the path stays.</exception>
    public static void Save(MaskRcnnModel model, DetectorDescription description, string path, bool halfPrecision = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(description);
        using var scope = NewDisposeScope();
        var tensors = model.state_dict().Select(entry =>
        {
            var value = entry.Value.detach();
            return KeyValuePair.Create(entry.Key, halfPrecision && value.dim() >= 2 ? value.to(float16) : value);
        });
        SafetensorsFile.Write(path, tensors, new Dictionary<string, string> { ["format"] = "pt", [DescriptionKey] = description.ToJson() });
    }

    /// <summary>Writes a pruned detector with its recipe.</summary>
    /// <param name="model">The detector after the cut; only read.</param>
    /// <param name="plan">The plan that was applied to the described detector, all cuts joined by <see cref="PruningPlan.Then"/>.</param>
    /// <param name="description">What it was before the cut.</param>
    /// <param name="path">The file to write or replace.</param>
    /// <exception cref="PruningException">The model does not have the widths that the plan leaves, or the file cannot be written.</exception>
    public static void SavePruned(MaskRcnnModel model, PruningPlan plan, DetectorDescription description, string path)
    {
        ArgumentNullException.ThrowIfNull(description);
        PrunedModel.Save(model, plan, path, metadata: new Dictionary<string, string> { [DescriptionKey] = description.ToJson() });
    }

    /// <summary>The description in a file, or null when it has none (a plain state dict).</summary>
    /// <exception cref="PruningException">The file cannot be read, or the description is damaged.</exception>
    public static DetectorDescription? Describe(string path)
    {
        using var source = ModelFile.Open(path);
        return source.Metadata.TryGetValue(DescriptionKey, out var json) ? DetectorDescription.FromJson(json) : null;
    }

    /// <summary>The recipe in a file, or null when the detector in it was not pruned.</summary>
    /// <exception cref="PruningException">The file cannot be read, or the recipe is damaged.</exception>
    public static PruningPlan? ReadPlan(string path)
    {
        using var source = ModelFile.Open(path);
        return source.Metadata.ContainsKey(PrunedModel.PlanKey) ? PrunedModel.ReadPlan(path) : null;
    }

    /// <summary>Builds a detector from a file that <see cref="Save"/> or <see cref="SavePruned"/> wrote; the caller owns it. It is in evaluation mode.</summary>
    /// <exception cref="PruningException">The file cannot be read, has no description, or does not fit it.</exception>
    public static (MaskRcnnModel Model, DetectorDescription Description) Load(string path)
    {
        var description = Describe(path) ?? throw new PruningException(
            $"'{path}' does not say what detector it holds ('{DescriptionKey}' in its metadata). Build the model yourself and load the weights with {nameof(LoadWeights)}.");
        var model = description.Create();
        try
        {
            LoadWeights(model, path);
            model.eval();
            return (model, description);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Loads weights into a fresh detector: a file of this library (a pruned one narrows the detector first), or a state dict with torchvision's keys, older ones included.</summary>
    /// <exception cref="PruningException">The file cannot be read or does not fit; lists what differs. The detector is then as it was.</exception>
    public static void LoadWeights(MaskRcnnModel model, string path) => LoadWeights(model, path, weightsKey: null);

    /// <summary>
    /// Loads weights into a fresh detector, as <see cref="LoadWeights(MaskRcnnModel, string)"/> does, from one entry of a checkpoint: training scripts save <c>{"model": …, "model_ema": …, "optimizer": …}</c>.
    /// </summary>
    /// <param name="model">The detector.</param>
    /// <param name="path">The file.</param>
    /// <param name="weightsKey">The entry, such as <c>model_ema</c>. Null: found by the rules of <see cref="StateDictOptions.Prefix"/>, plain weights before averaged ones.</param>
    /// <returns>What was loaded, from where, and where else there are weights; null for a pruned file of this library, which has one set.</returns>
    /// <exception cref="PruningException">The file cannot be read, has no such entry, or does not fit the model; lists what differs. The detector is then as it was.</exception>
    public static StateDictReport? LoadWeights(MaskRcnnModel model, string path, string? weightsKey)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var source = ModelFile.Open(path);
        if (source.Metadata.ContainsKey(PrunedModel.PlanKey))
        {
            if (weightsKey is not null)
                throw new PruningException($"'{path}' holds one pruned detector and no entries to choose from, but '{weightsKey}' was asked for. Leave the key out.");
            PrunedModel.Load(model, path);
            return null;
        }

        var options = new StateDictOptions { Rename = TorchvisionKeys.Migrate, Container = weightsKey };
        ThrowOnOtherDetector(model, source, StateDictLoader.FindPrefix(model, source, options), path);
        return StateDictLoader.Load(model, source, options);
    }

    // The commonest mistakes get a message of their own.
    private static void ThrowOnOtherDetector(MaskRcnnModel model, ITensorSource source, string prefix, string path)
    {
        const string head = "roi_heads.box_predictor.cls_score.bias";
        var names = source.Names.Where(key => key.StartsWith(prefix, StringComparison.Ordinal)).ToList();
        var (there, here) = (TorchvisionKeys.Recognise(names), TorchvisionKeys.Recognise(model.state_dict().Keys));
        if (there is not null && here is not null && there != here)
        {
            throw new PruningException(
                $"'{path}' looks like {(MaskRcnn.Names.Contains(there) ? $"'{there}'" : there)}, but the model is '{here}'. "
                + $"{(MaskRcnn.Names.Contains(there) ? $"Make a '{there}', on the command line with --model {there}" : "Give a checkpoint of torchvision's maskrcnn_resnet50_fpn or of this library")}.");
        }

        var name = names.Find(key => key.EndsWith(head, StringComparison.Ordinal));
        if (name is null)
            return;
        var shape = source.Describe(name).Shape;
        if (shape.Count == 1 && shape[0] != model.NumClasses)
        {
            throw new PruningException(
                $"'{path}' holds a detector of {shape[0]} classes (the background included), but the model was made for {model.NumClasses}. "
                + $"Make the model for {shape[0]} classes, on the command line with --classes {shape[0]}.");
        }
    }
}
