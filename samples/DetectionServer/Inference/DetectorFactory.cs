using DetectionServer.Work;
using FilterPruning;
using FilterPruning.Detection.Models;
using FilterPruning.Inference;

namespace DetectionServer.Inference;

/// <summary>Loads the dense and the pruned detector from their files, once for each worker.</summary>
internal sealed partial class DetectorFactory(ServerOptions options, ILogger<DetectorFactory> logger) : IDetectorFactory, IDisposable
{
    private string? _madePruned;

    /// <summary>The checkpoint that comes with the sample.</summary>
    public static string ShippedModel => Path.Combine(AppContext.BaseDirectory, "checkpoints", "shapescenes.safetensors");

    private string DensePath => options.DenseModel ?? ShippedModel;

    /// <summary>The file of the pruned model; after <see cref="Prepare"/>.</summary>
    public string PrunedPath => options.PrunedModel ?? _madePruned ?? throw new InvalidOperationException($"{nameof(Prepare)} comes first.");

    public ModelsInfo Prepare(CancellationToken cancellation)
    {
        if (options.PrunedModel is null)
        {
            _madePruned = Path.Combine(Path.GetTempPath(), $"detection-server-{Guid.NewGuid():N}.safetensors");
            LogPruning(options.PruneRatio, options.RepairScenes);
            PrunedAtStart.Make(DensePath, _madePruned, options.PruneRatio, options.RepairScenes, cancellation);
        }

        var dense = Describe(DensePath);
        var pruned = Describe(PrunedPath);
        if (!dense.Description.ClassNames.SequenceEqual(pruned.Description.ClassNames))
        {
            throw new PruningException(
                $"The models do not belong together: '{DensePath}' knows {string.Join(", ", dense.Description.ClassNames)}; '{PrunedPath}' knows {string.Join(", ", pruned.Description.ClassNames)}. Give a model and its pruned self.");
        }

        // From here on the C library keeps memory that detectors free, instead of clearing fresh pages for each picture. Not before: pruning takes more than it will ever need again.
        AllocatorTuning.KeepFreedMemory();

        // The recipe knows the cost of both, for the image that it was made with.
        var plan = DetectorFile.ReadPlan(PrunedPath);
        return new ModelsInfo(
            dense.Description.ClassNames,
            [Info(ModelName.Dense, dense, plan?.Before.Macs), Info(ModelName.Pruned, pruned, plan?.Predicted.Macs)]);
    }

    public IDetector Create() => new Detector(Load(DensePath), Load(PrunedPath));

    public void Dispose()
    {
        if (_madePruned is not null)
            File.Delete(_madePruned);
    }

    // The options go into the model, so that what nobody will see is neither scored nor pasted.
    private (MaskRcnnModel Model, DetectorDescription Description) Load(string path)
    {
        var known = Described(path);
        var model = (known with { Options = known.Options with { BoxScoreThresh = options.ScoreThreshold, BoxDetectionsPerImage = options.MaxDetections } }).Create();
        try
        {
            DetectorFile.LoadWeights(model, path);
            model.eval();
            return (model, known);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private (DetectorDescription Description, long Parameters, long Bytes) Describe(string path)
    {
        using var scope = NewDisposeScope();
        var (model, description) = Load(path);
        using var owned = model;
        return (description, model.parameters().Sum(parameter => parameter.numel()), model.state_dict().Values.Sum(value => value.numel() * value.element_size()));
    }

    private static DetectorDescription Described(string path) => DetectorFile.Describe(path) ?? throw new PruningException(
        $"'{path}' does not say what detector it holds. Give a file that 'filter-pruning train' or 'filter-pruning prune' wrote, or that {nameof(DetectorFile)} saved.");

    private static ModelInfo Info(ModelName name, (DetectorDescription Description, long Parameters, long Bytes) model, long? macs) =>
        new(name, model.Description.Model, model.Parameters, model.Bytes, macs);

    [LoggerMessage(Level = LogLevel.Information, Message = "No pruned model was given: pruning {Ratio:P0} of the filters and repairing from {Scenes} unlabelled scenes ...")]
    private partial void LogPruning(double ratio, int scenes);
}
