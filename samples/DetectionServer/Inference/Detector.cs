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
        var looks = request.Models.Select(name => new Look(name)).ToArray();
        // In turn: whatever else the machine does meanwhile hits all models alike.
        for (var run = 0; run < request.Runs; run++)
        {
            foreach (var look in looks)
                look.Again(_models[(int)look.Model].Model, pixels);
        }

        var found = looks.Select(look => Describe(look, pixels, _models[(int)look.Model].Description.ClassNames, request)).ToArray();
        return new DetectionAnswer((int)pixels.shape[2], (int)pixels.shape[1], found);
    }

    public void Dispose()
    {
        foreach (var (model, _) in _models)
            model.Dispose();
    }

    private static ModelFinding Describe(Look look, Tensor pixels, IReadOnlyList<string> classes, DetectionRequest request)
    {
        var found = look.Found!;
        // Best first, so those that are wanted come first.
        var scores = found.Scores.data<float>().ToArrayOrEmpty(found.Count).TakeWhile(score => score >= request.Score).ToArray();
        var labels = found.Labels.data<long>().ToArrayOrEmpty(found.Count)[..scores.Length].Select(label => (int)label).ToArray();
        var corners = found.Boxes.data<float>().ToArrayOrEmpty(4 * found.Count);
        return new ModelFinding
        {
            Model = look.Model,
            Milliseconds = look.Milliseconds,
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

    /// <summary>One model's look at a picture, once or more often.</summary>
    private sealed class Look(ModelName model)
    {
        public ModelName Model { get; } = model;

        /// <summary>What was found the last time.</summary>
        public Detection? Found { get; private set; }

        /// <summary>Of the shortest time.</summary>
        public double Milliseconds { get; private set; } = double.MaxValue;

        public void Again(MaskRcnnModel detector, Tensor pixels)
        {
            Found?.Dispose();
            var start = Stopwatch.GetTimestamp();
            Found = detector.Detect([pixels])[0];
            Milliseconds = Math.Min(Milliseconds, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
    }
}
