using FilterPruning.Detection.Models;
using FilterPruning.Graph;

namespace FilterPruning.Cli;

/// <summary>Traces a detector on an image of noise.</summary>
internal static class DetectorTrace
{
    /// <summary>The graph keeps the image for its later forwards.</summary>
    public static DependencyGraph Run(MaskRcnnModel model, int size)
    {
        using var generator = new Generator(0);
        var image = rand([3, size, size], generator: generator);
        return DependencyGraph.Trace(model, detector => detector.Detect([image]));
    }
}
