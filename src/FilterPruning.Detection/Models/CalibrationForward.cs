using System.Runtime.CompilerServices;

namespace FilterPruning.Detection.Models;

/// <summary>
/// Runs a detector so that its layers' inputs can be compared row by row with those of a changed copy of it. The first run on an image
/// chooses the boxes (its proposals, its detections) and remembers them; every later run on that image works on the same boxes, whatever the changed model would
/// have chosen. So row <c>i</c> of the box head and of the mask head is about the same place in both.
/// </summary>
/// <remarks>
/// Holds coordinates, no tensors. The first run must be the dense model's. Runs in whatever mode the model is in (call <c>eval()</c> first) and
/// follows the ambient gradient mode. Not safe for use by several threads at once.
/// </remarks>
public sealed class CalibrationForward
{
    private readonly ConditionalWeakTable<Tensor, Places> _byTensor = [];
    private readonly Dictionary<long, Places> _byId = [];
    private readonly int _maxProposals;

    /// <summary>Creates one that has seen no image.</summary>
    /// <param name="maxProposals">The box head works on at most this many of an image's best proposals; at least 1. By default on all.</param>
    public CalibrationForward(int maxProposals = int.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxProposals, 1);
        _maxProposals = maxProposals;
    }

    /// <summary>
    /// The mask head works on at least this many boxes of an image, as far as it has proposals: where the dense model finds less, its best proposals are taken too. Default 0; give more for images on which
    /// nothing may be found, such as noise.
    /// </summary>
    public int MinBoxes { get; init; }

    /// <summary>Runs a model on an image known by its tensor: the same tensor object is the same image.</summary>
    /// <param name="model">The dense model the first time, a changed one later.</param>
    /// <param name="image">float32 <c>[3, H, W]</c>, RGB, 0 … 1.</param>
    /// <returns>The outputs of all heads; the caller owns them.</returns>
    public CalibrationOutput Run(MaskRcnnModel model, Tensor image)
    {
        _byTensor.TryGetValue(image, out var places);
        var (output, used) = Run(model, image, places);
        if (places is null)
            _byTensor.Add(image, used);
        return output;
    }

    /// <summary>Runs a model on an image known by a number, for images that are loaded anew for each run.</summary>
    /// <inheritdoc cref="Run(MaskRcnnModel, Tensor)"/>
    /// <param name="model">The dense model the first time, a changed one later.</param>
    /// <param name="image">float32 <c>[3, H, W]</c>, RGB, 0 … 1.</param>
    /// <param name="imageId">The same number is the same image.</param>
    public CalibrationOutput Run(MaskRcnnModel model, Tensor image, long imageId)
    {
        _byId.TryGetValue(imageId, out var places);
        var (output, used) = Run(model, image, places);
        _byId.TryAdd(imageId, used);
        return output;
    }

    private (CalibrationOutput Output, Places Used) Run(MaskRcnnModel model, Tensor image, Places? places)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var scope = NewDisposeScope();
        var (images, features, prediction, proposed) = model.ProposeForTest([image]);
        var proposals = places is null ? proposed[0].narrow(0, 0, Math.Min(_maxProposals, proposed[0].shape[0])) : Restore(places.Proposals, image);
        var (logits, deltas) = model.Heads.ClassifyBoxes(features, [proposals], images.Sizes);
        var boxes = places is null ? AtLeast(model.Heads.SelectDetections(logits, deltas, proposals, images.Sizes[0]).Boxes, proposals) : Restore(places.Boxes, image);
        var masks = model.Heads.PredictMasks(features, [boxes], images.Sizes);
        var output = new CalibrationOutput(
            prediction.Objectness.MoveToOuterDisposeScope(),
            prediction.Deltas.MoveToOuterDisposeScope(),
            logits.MoveToOuterDisposeScope(),
            deltas.MoveToOuterDisposeScope(),
            masks.MoveToOuterDisposeScope());
        return (output, places ?? new Places(Keep(proposals), Keep(boxes)));
    }

    private Tensor AtLeast(Tensor boxes, Tensor proposals)
    {
        var more = Math.Min(MinBoxes - boxes.shape[0], proposals.shape[0]);
        return more > 0 ? cat([boxes, proposals.narrow(0, 0, more)], 0) : boxes;
    }

    private static float[] Keep(Tensor boxes)
    {
        using var scope = NewDisposeScope();
        // TorchSharp's accessor cannot read a tensor without elements.
        return boxes.numel() == 0 ? [] : boxes.detach().cpu().contiguous().data<float>().ToArray();
    }

    private static Tensor Restore(float[] boxes, Tensor image) => tensor(boxes, device: image.device).view(-1, 4);

    /// <summary>Boxes at the resized image's scale, four coordinates each.</summary>
    private sealed record Places(float[] Proposals, float[] Boxes);
}
