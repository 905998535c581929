using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FilterPruning.Detection.Ops;

/// <summary>
/// From regression codes to boxes in one pass over plain memory: decode, clip to the image, drop what is too small, suppress. The same steps as
/// <see cref="BoxCoder.DecodeSingle"/>, <see cref="BoxOps.ClipToImage"/>, <see cref="BoxOps.RemoveSmall"/> and <see cref="BoxOps.BatchedNms"/>
/// one after the other; float32 on the CPU, not differentiated.
/// </summary>
internal static unsafe class ProposalFilter
{
    /// <summary>The RPN's proposals for one image.</summary>
    /// <param name="coder">How codes were made.</param>
    /// <param name="deltas">Codes of all anchors, <c>[A, 4]</c>.</param>
    /// <param name="anchors">All anchors, <c>[A, 4]</c>.</param>
    /// <param name="index">int64 <c>[K]</c>: the anchors to look at.</param>
    /// <param name="scores">float32 <c>[K]</c>: their scores.</param>
    /// <param name="levels">int64 <c>[K]</c>: their levels, which leave each other alone.</param>
    /// <param name="settings">Limits.</param>
    /// <returns><c>[n, 4]</c>, best first; moved to the caller's scope.</returns>
    public static Tensor Propose(BoxCoder coder, Tensor deltas, Tensor anchors, Tensor index, Tensor scores, Tensor levels, FilterSettings settings)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var chosen = TensorMemory.ToArray<long>(index, ScalarType.Int64);
        var allScores = TensorMemory.ToArray<float>(scores, ScalarType.Float32);
        var allLevels = TensorMemory.ToArray<long>(levels, ScalarType.Int64);
        var codes = (float*)TensorMemory.Address(deltas.contiguous());
        var starts = (float*)TensorMemory.Address(anchors.contiguous());
        var kernel = coder.Kernel();
        var threshold = (float)settings.ScoreThreshold;
        var found = new Candidates(chosen.Length);
        for (var i = 0; i < chosen.Length; i++)
        {
            if (!(threshold > 0) || allScores[i] >= threshold)
                found.Add(kernel.Decode(codes + 4 * chosen[i], starts + 4 * chosen[i]), allScores[i], allLevels[i], settings);
        }

        var kept = found.Suppress(settings);
        return Boxes(found, kept).MoveToOuterDisposeScope();
    }

    /// <summary>The detections of one image before masks.</summary>
    /// <param name="coder">How codes were made.</param>
    /// <param name="probabilities"><c>[K, classes]</c>; class 0 is the background.</param>
    /// <param name="deltas">Codes <c>[K, classes, 4]</c>.</param>
    /// <param name="proposals"><c>[K, 4]</c>.</param>
    /// <param name="settings">Limits; scores must be above the threshold.</param>
    /// <returns>Boxes <c>[D, 4]</c>, labels int64 <c>[D]</c>, scores <c>[D]</c>, best first; moved to the caller's scope.</returns>
    public static (Tensor Boxes, Tensor Labels, Tensor Scores) Detect(BoxCoder coder, Tensor probabilities, Tensor deltas, Tensor proposals, FilterSettings settings)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var (count, classes) = (probabilities.shape[0], probabilities.shape[1]);
        var values = (float*)TensorMemory.Address(probabilities.contiguous());
        var codes = (float*)TensorMemory.Address(deltas.contiguous());
        var starts = (float*)TensorMemory.Address(proposals.contiguous());
        var threshold = (float)settings.ScoreThreshold;
        var kernel = coder.Kernel();
        var found = new Candidates((int)count);
        for (long k = 0; k < count; k++)
        {
            for (long label = 1; label < classes; label++)
            {
                var score = values[k * classes + label];
                if (score > threshold)
                    found.Add(kernel.Decode(codes + 4 * (k * classes + label), starts + 4 * k), score, label, settings);
            }
        }

        var kept = found.Suppress(settings);
        var labels = new long[kept.Length];
        var scores = new float[kept.Length];
        for (var i = 0; i < kept.Length; i++)
            (labels[i], scores[i]) = (found.Groups[kept[i]], found.Scores[kept[i]]);
        return (Boxes(found, kept).MoveToOuterDisposeScope(), tensor(labels, ScalarType.Int64).MoveToOuterDisposeScope(), tensor(scores, ScalarType.Float32).MoveToOuterDisposeScope());
    }

    private static Tensor Boxes(Candidates found, int[] kept)
    {
        var boxes = new float[kept.Length * 4];
        for (var i = 0; i < kept.Length; i++)
            found.Boxes.Slice(kept[i] * 4, 4).CopyTo(boxes.AsSpan(i * 4));
        return tensor(boxes, [kept.Length, 4], ScalarType.Float32);
    }

    /// <summary>What passed so far.</summary>
    private sealed class Candidates(int capacity)
    {
        private readonly List<float> _boxes = new(4 * capacity), _scores = new(capacity);
        private readonly List<long> _groups = new(capacity);

        public ReadOnlySpan<float> Boxes => CollectionsMarshal.AsSpan(_boxes);

        public ReadOnlySpan<float> Scores => CollectionsMarshal.AsSpan(_scores);

        public ReadOnlySpan<long> Groups => CollectionsMarshal.AsSpan(_groups);

        public void Add(Vector128<float> box, float score, long group, FilterSettings settings)
        {
            float width = settings.Size.Width, height = settings.Size.Height;
            box = BoxDecodeKernel.Clip(box, Vector128.Create(width, height, width, height));
            if (!BoxDecodeKernel.IsLarge(box, (float)settings.SmallestSide))
                return;
            _boxes.AddRange([box[0], box[1], box[2], box[3]]);
            _scores.Add(score);
            _groups.Add(group);
        }

        public int[] Suppress(FilterSettings settings)
        {
            var order = NmsKernel.DescendingOrder(Scores);
            var kept = order.Length == 0 ? [] : BoxOps.RunBatched(Boxes.ToArray(), order, Groups.ToArray(), settings.NmsThreshold);
            return [.. CollectionsMarshal.AsSpan(kept)[..Math.Min(kept.Count, settings.Most)]];
        }
    }
}

/// <summary>The limits of <see cref="ProposalFilter"/>.</summary>
/// <param name="Size">The image's height and width, to which boxes are clipped.</param>
/// <param name="SmallestSide">Boxes with a smaller side are dropped, pixels.</param>
/// <param name="ScoreThreshold">What is scored lower is dropped.</param>
/// <param name="NmsThreshold">The largest IoU of two boxes of one group.</param>
/// <param name="Most">How many are returned at most.</param>
internal readonly record struct FilterSettings((int Height, int Width) Size, double SmallestSide, double ScoreThreshold, double NmsThreshold, int Most);
