using FilterPruning.Detection.Data;

namespace FilterPruning.Detection.Evaluation;

/// <summary>What belongs together in matching: the ground truths and detections of one class on one image, with their overlaps.</summary>
internal sealed class EvaluationCell(long imageId)
{
    /// <summary>No more detections per image and class than this are looked at.</summary>
    public const int MaximumDetections = 100;

    private readonly List<GroundTruthInstance> _truths = [];
    private readonly List<DetectedInstance> _detections = [];

    /// <summary>The image.</summary>
    public long ImageId { get; } = imageId;

    public IReadOnlyList<GroundTruthInstance> Truths => _truths;

    /// <summary>In descending order of scores once <see cref="Prepare"/> has run; equal scores in the order given.</summary>
    public IReadOnlyList<DetectedInstance> Detections { get; private set; } = [];

    /// <summary><c>[detections × ground truths]</c>.</summary>
    public double[] Overlaps { get; private set; } = [];

    /// <summary>Parts both lists by class and image, classes and then images ascending.</summary>
    public static List<(int Category, EvaluationCell[] Cells)> Group(IReadOnlyList<GroundTruthInstance> truths, IReadOnlyList<DetectedInstance> detections, IouType type)
    {
        var cells = new Dictionary<(int Category, long ImageId), EvaluationCell>();
        foreach (var truth in truths)
        {
            Check(truth, truth?.Box ?? default, truth?.Mask, truth?.Area ?? 0, type, nameof(truths));
            At(truth!.Category, truth.ImageId)._truths.Add(truth);
        }

        foreach (var detection in detections)
        {
            Check(detection, detection?.Box ?? default, detection?.Mask, detection?.Score ?? 0, type, nameof(detections));
            At(detection!.Category, detection.ImageId)._detections.Add(detection);
        }

        return [.. cells.GroupBy(cell => cell.Key.Category).OrderBy(group => group.Key)
            .Select(group => (group.Key, group.OrderBy(cell => cell.Key.ImageId).Select(cell => cell.Value).ToArray()))];

        EvaluationCell At(int category, long image)
        {
            ref var cell = ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(cells, (category, image), out _);
            return cell ??= new EvaluationCell(image);
        }
    }

    /// <summary>Sorts the detections, keeps the best, and measures the overlaps.</summary>
    public void Prepare(IouType type)
    {
        Detections = [.. _detections.OrderByDescending(detection => detection.Score).Take(MaximumDetections)]; // LINQ's order is stable
        Overlaps = new double[Detections.Count * _truths.Count];
        if (Overlaps.Length == 0)
            return;
        if (type == IouType.Box)
            MeasureBoxes();
        else
            MeasureMasks();
    }

    /// <summary>Lets the memory of the overlaps go.</summary>
    public void Release() => (Detections, Overlaps) = ([], []);

    private void MeasureBoxes()
    {
        for (var d = 0; d < Detections.Count; d++)
        {
            for (var g = 0; g < _truths.Count; g++)
                Overlaps[d * _truths.Count + g] = BoxOverlap.IoU(Detections[d].Box, _truths[g].Box, _truths[g].IsCrowd);
        }
    }

    private void MeasureMasks()
    {
        var truthBoxes = _truths.Select(truth => truth.Mask!.BoundingBox()).ToArray();
        for (var d = 0; d < Detections.Count; d++)
        {
            var mask = Detections[d].Mask!;
            var box = mask.BoundingBox();
            for (var g = 0; g < _truths.Count; g++)
            {
                var truth = _truths[g];
                if (mask.Height != truth.Mask!.Height || mask.Width != truth.Mask.Width)
                {
                    throw new ArgumentException(
                        $"On image {truth.ImageId} a detection's mask is {mask.Height} × {mask.Width} but the ground truth's is {truth.Mask.Height} × {truth.Mask.Width} (height × width). "
                        + "Paste detections into the original image size before the evaluation.");
                }

                if (Touch(box, truthBoxes[g]))
                    Overlaps[d * _truths.Count + g] = mask.IoU(truth.Mask, truth.IsCrowd);
            }
        }
    }

    private static bool Touch((int X, int Y, int Width, int Height) a, (int X, int Y, int Width, int Height) b) =>
        a.X < b.X + b.Width && b.X < a.X + a.Width && a.Y < b.Y + b.Height && b.Y < a.Y + a.Height;

    private static void Check(object? instance, (double X, double Y, double Width, double Height) box, RleMask? mask, double number, IouType type, string parameter)
    {
        ArgumentNullException.ThrowIfNull(instance, parameter);
        if (!double.IsFinite(box.X + box.Y + box.Width + box.Height + number) || box.Width < 0 || box.Height < 0)
            throw new ArgumentException($"Boxes, areas and scores must be finite numbers and sides not negative, but there is {instance}.", parameter);
        if (type == IouType.Mask && mask is null)
            throw new ArgumentException($"Evaluating masks needs a mask with each instance, but there is none in {instance}. Give the masks or evaluate IouType.Box.", parameter);
    }
}
