using System.Diagnostics;
using DetectionServer.Work;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace DetectionServer.Inference;

/// <summary>Both models of one worker, prepared for inference. Not thread-safe.</summary>
internal sealed class Detector : IDetector
{
    private readonly (MaskRcnnModel Model, DetectorDescription Description)[] _models;

    /// <param name="dense">Owned from now on.</param>
    /// <param name="pruned">Owned from now on.</param>
    public Detector((MaskRcnnModel Model, DetectorDescription Description) dense, (MaskRcnnModel Model, DetectorDescription Description) pruned)
    {
        _models = [dense, pruned];
        foreach (var (model, description) in _models)
        {
            model.PrepareForInference(); // ends with the model
            WarmUp(model, description.Options.MinSize);
        }
    }

    public DetectionAnswer Run(byte[] image, DetectionRequest request)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var pixels = ImageFile.Decode(image); // [3, H, W]
        var found = request.Models.Select(name => Look(name, pixels, request)).ToArray();
        return new DetectionAnswer((int)pixels.shape[2], (int)pixels.shape[1], found);
    }

    public void Dispose()
    {
        foreach (var (model, _) in _models)
            model.Dispose();
    }

    private ModelFinding Look(ModelName name, Tensor pixels, DetectionRequest request)
    {
        using var scope = NewDisposeScope();
        var (model, description) = _models[(int)name];
        var best = double.MaxValue;
        Detection? detection = null;
        for (var run = 0; run < request.Runs; run++)
        {
            detection?.Dispose();
            var start = Stopwatch.GetTimestamp();
            detection = model.Detect([pixels])[0];
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        return Describe(name, best, pixels, detection!, description.ClassNames, request);
    }

    private static ModelFinding Describe(ModelName name, double milliseconds, Tensor pixels, Detection found, IReadOnlyList<string> classes, DetectionRequest request)
    {
        // Best first, so those that are wanted come first.
        var scores = found.Scores.data<float>().ToArrayOrEmpty(found.Count).TakeWhile(score => score >= request.Score).ToArray();
        var labels = found.Labels.data<long>().ToArrayOrEmpty(found.Count)[..scores.Length].Select(label => (int)label).ToArray();
        var corners = found.Boxes.data<float>().ToArrayOrEmpty(4 * found.Count);
        return new ModelFinding
        {
            Model = name,
            Milliseconds = milliseconds,
            Boxes = [.. scores.Select((_, i) => corners[(4 * i)..(4 * i + 4)])],
            Labels = labels,
            Names = [.. labels.Select(label => classes[label - 1])],
            Scores = scores,
            Masks = request.Masks ? [.. scores.Select((_, i) => ToCoco(found.Masks, i))] : null,
            Picture = request.Picture ? DetectionOverlay.Draw(pixels, found, classes, new OverlayOptions { ScoreThreshold = request.Score }) : null,
        };
    }

    private static CocoMask ToCoco(Tensor masks, int index)
    {
        using var scope = NewDisposeScope();
        var mask = RleMask.FromMask(masks[index, 0] > 0.5);
        return new CocoMask([mask.Height, mask.Width], mask.ToCocoString());
    }

    // The first image orders the weights for the processor's kernels.
    private static void WarmUp(MaskRcnnModel model, int size)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        model.Detect([zeros([3, size, size], float32)]);
    }
}
