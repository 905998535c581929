using FilterPruning.Benchmarks.Inference;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Benchmarks.Speedup;

/// <summary>Mask R-CNN R50-FPN detectors and images: trained weights and photos where they are there, seeded initial weights and noise otherwise.</summary>
internal static class DetectorSetup
{
    /// <summary>Names a detector's file, as <c>filter-pruning train</c> writes it.</summary>
    public const string WeightsVariable = "FILTERPRUNING_DETECTOR";

    /// <summary>The file of trained weights, or null.</summary>
    public static string? Weights => Environment.GetEnvironmentVariable(WeightsVariable) is { Length: > 0 } given ? given : null;

    /// <summary>Where the weights come from, in words.</summary>
    public static string Origin => Weights is null ? $"initial weights ({WeightsVariable} is not set)" : "trained weights";

    /// <summary>What is needed to build the detector.</summary>
    /// <param name="options">Its options.</param>
    public static DetectorDescription Description(MaskRcnnOptions options)
    {
        var classes = Weights is null ? 2 : OnnxExport.ClassesOf(Weights);
        return new DetectorDescription { Model = "maskrcnn_resnet50_fpn", ClassNames = [.. Enumerable.Range(1, classes - 1).Select(label => $"class {label}")], Options = options };
    }

    /// <summary>A detector in evaluation mode; the caller's.</summary>
    public static MaskRcnnModel Model(MaskRcnnOptions options)
    {
        var model = Description(options).Create();
        if (Weights is { } weights)
            DetectorFile.LoadWeights(model, weights);
        model.eval();
        return model;
    }

    /// <summary>Photos of Penn-Fudan where they are there, noise of the same sizes otherwise; the caller's, outside all scopes.</summary>
    public static Tensor[] Images(int count, int seed)
    {
        var folder = Environment.GetEnvironmentVariable("FILTERPRUNING_DATA") is { Length: > 0 } data ? Path.Combine(data, "pennfudan", "PennFudanPed", "PNGImages") : null;
        if (folder is not null && Directory.Exists(folder))
            return [.. Directory.GetFiles(folder, "*.png").Order(StringComparer.Ordinal).Take(count).Select(file => ImageFile.Load(file).DetachFromDisposeScope())];
        using var generator = new Generator((ulong)seed);
        return [.. Enumerable.Range(0, count).Select(_ => rand([3, 480, 640], generator: generator).DetachFromDisposeScope())];
    }
}
