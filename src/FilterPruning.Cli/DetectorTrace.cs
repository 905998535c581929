using FilterPruning.Detection.Models;
using FilterPruning.Graph;

namespace FilterPruning.Cli;

/// <summary>Traces a detector, where nothing else is said on an image of noise.</summary>
internal static class DetectorTrace
{
    /// <summary>On a given image, as large as it is in use: what is counted and timed is then the work on it. The graph keeps a copy.</summary>
    public static DependencyGraph Run(MaskRcnnModel model, Tensor image)
    {
        var copy = image.clone().DetachFromDisposeScope();
        return DependencyGraph.Trace(model, detector => detector.Detect([copy]));
    }

    /// <summary>The graph keeps the image for its later forwards.</summary>
    public static DependencyGraph Run(MaskRcnnModel model, int size)
    {
        using var generator = new Generator(0);
        var image = rand([3, size, size], generator: generator);
        return DependencyGraph.Trace(model, detector => detector.Detect([image]));
    }
}
