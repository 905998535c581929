using FilterPruning.Detection.Models;
using FilterPruning.Storage;

namespace FilterPruning.Detection.Torchvision;

/// <summary>
/// Writes a detector for Python: a folder with the weights under torchvision's keys, the widths of its layers, and one readable file that builds torchvision's Mask R-CNN,
/// gives its layers these widths and loads the weights strictly. Dense, pruned and repaired detectors alike.
/// </summary>
/// <remarks>Needs neither Python nor torchvision to write. Everything a cut can change is a width, so that torchvision's own classes run the result: it can be fine-tuned, converted and served there.</remarks>
public static class TorchvisionExporter
{
    /// <summary>The weights: a safetensors file, float32 and int64, with the keys of torchvision 0.13 and later.</summary>
    public const string WeightsFile = "model.safetensors";

    /// <summary>What else Python needs to know: architecture, classes, options under torchvision's names, and each layer's input and output channels.</summary>
    public const string WidthsFile = "widths.json";

    /// <summary>The Python file; the same for every export.</summary>
    public const string ScriptFile = "model.py";

    /// <summary>The version of <see cref="WidthsFile"/>.</summary>
    public const int WidthsVersion = 1;

    /// <summary>Writes the folder: all three files beside the target first, then renamed, so that there is a complete export or none.</summary>
    /// <param name="model">The detector on any device; only read. In training or evaluation mode.</param>
    /// <param name="description">What it is: name and class names. Its options are not used, the model's own are.</param>
    /// <param name="folder">The folder to make. One that holds an earlier export and nothing else is replaced; an empty one is filled.</param>
    /// <returns>The paths of the files.</returns>
    /// <exception cref="ArgumentException">The folder holds something else, or its parent does not exist; or the description is another model's.</exception>
    /// <exception cref="PruningException">The model holds something torchvision's Mask R-CNN does not, named in the message, or the file system refused. What was in the folder stays.</exception>
    public static IReadOnlyList<string> Export(MaskRcnnModel model, DetectorDescription description, string folder)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(description);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (description.NumClasses != model.NumClasses)
            throw new ArgumentException($"The description names {description.NumClasses - 1} classes, but the model has {model.NumClasses - 1} beside the background. Give the model's own description.", nameof(description));
        using var scope = NewDisposeScope();
        var layers = DetectorLayers.Read(model, description.Model);
        var widths = WidthsJson.Write(model, description, layers);
        var state = model.state_dict().Select(entry => KeyValuePair.Create(entry.Key, entry.Value.detach())).ToList();
        ExportFolder.Write(folder, [WeightsFile, WidthsFile, ScriptFile], partial =>
        {
            SafetensorsFile.Write(Path.Combine(partial, WeightsFile), state, new Dictionary<string, string> { ["format"] = "pt" });
            File.WriteAllText(Path.Combine(partial, WidthsFile), widths);
            File.WriteAllText(Path.Combine(partial, ScriptFile), Script());
        });
        return [Path.Combine(folder, WeightsFile), Path.Combine(folder, WidthsFile), Path.Combine(folder, ScriptFile)];
    }

    /// <summary>The text of <see cref="ScriptFile"/>.</summary>
    internal static string Script()
    {
        using var stream = typeof(TorchvisionExporter).Assembly.GetManifestResourceStream("FilterPruning.Detection.Torchvision.model.py")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
