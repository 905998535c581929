using FilterPruning.Detection.Data;

namespace FilterPruning.Detection.Evaluation;

/// <summary>From tensors to plain instances: masks become runs at once, so that memory does not grow with the number of images.</summary>
internal static class InstanceConverter
{
    /// <summary>The detections on one image.</summary>
    /// <exception cref="PruningException">The detector's answer does not have the promised form, or names a class the data set does not have.</exception>
    public static IEnumerable<DetectedInstance> FromDetection(long imageId, Models.Detection detection, int height, int width, int classes, double maskThreshold)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var count = detection.Boxes.shape[0];
        if (!detection.Boxes.shape.SequenceEqual([count, 4]) || !detection.Labels.shape.SequenceEqual([count]) || !detection.Scores.shape.SequenceEqual([count])
            || !detection.Masks.shape.SequenceEqual([count, 1, height, width]))
        {
            throw new PruningException(
                $"On image {imageId} of {height} × {width} the detector gave boxes [{Shape(detection.Boxes)}], labels [{Shape(detection.Labels)}], scores [{Shape(detection.Scores)}] and masks "
                + $"[{Shape(detection.Masks)}]; [N, 4], [N], [N] and [N, 1, {height}, {width}] are needed. Masks must be pasted into the image's size.");
        }

        // TorchSharp's accessor cannot read a tensor without elements.
        if (count == 0)
            return [];

        var boxes = detection.Boxes.to(ScalarType.Float64).cpu().contiguous().data<double>().ToArray();
        var labels = detection.Labels.to(ScalarType.Int64).cpu().contiguous().data<long>().ToArray();
        var scores = detection.Scores.to(ScalarType.Float64).cpu().contiguous().data<double>().ToArray();
        var instances = new DetectedInstance[count];
        for (var i = 0; i < count; i++)
        {
            if (labels[i] < 1 || labels[i] > classes)
            {
                throw new PruningException(
                    $"On image {imageId} the detector reported class {labels[i]}, but the data set has classes 1 … {classes}. Evaluate with the data set the detector was trained for"
                    + " (for checkpoints whose labels are COCO's category ids, open it with KeepCategoryIds).");
            }

            var (x, y) = (boxes[4 * i], boxes[4 * i + 1]);
            using var mask = detection.Masks[i, 0];
            using var inside = mask.gt(maskThreshold); // [H, W]
            instances[i] = new DetectedInstance(imageId, (int)labels[i], (x, y, boxes[4 * i + 2] - x, boxes[4 * i + 3] - y), RleMask.FromMask(inside), scores[i]);
        }

        return instances;
    }

    /// <summary>The ground truth on one image as a sample has it; the area is the mask's.</summary>
    public static IEnumerable<GroundTruthInstance> FromSample(DetectionSample sample)
    {
        using var scope = NewDisposeScope();
        var count = (int)sample.Target.Boxes.shape[0];
        // TorchSharp's accessor cannot read a tensor without elements.
        double[] boxes = count == 0 ? [] : sample.Target.Boxes.to(ScalarType.Float64).cpu().contiguous().data<double>().ToArray();
        long[] labels = count == 0 ? [] : sample.Target.Labels.cpu().contiguous().data<long>().ToArray();
        var instances = new List<GroundTruthInstance>();
        for (var i = 0; i < count; i++)
        {
            var (x, y) = (boxes[4 * i], boxes[4 * i + 1]);
            using var pixels = sample.Target.Masks[i]; // [H, W]
            var mask = RleMask.FromMask(pixels);
            instances.Add(new GroundTruthInstance(sample.ImageId, (int)labels[i], (x, y, boxes[4 * i + 2] - x, boxes[4 * i + 3] - y), mask, mask.Area));
        }

        instances.AddRange(sample.Crowds.Select(crowd => new GroundTruthInstance(sample.ImageId, crowd.Label, crowd.Box, crowd.Mask, crowd.Area, IsCrowd: true)));
        return instances;
    }

    private static string Shape(Tensor tensor) => string.Join(", ", tensor.shape);
}
