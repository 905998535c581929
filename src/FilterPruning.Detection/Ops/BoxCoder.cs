using System.Runtime.Intrinsics;

namespace FilterPruning.Detection.Ops;

/// <summary>
/// Turns boxes into regression targets relative to proposals (or anchors), and back. Mirrors <c>BoxCoder</c> of
/// torchvision 0.14.1, <c>models/detection/_utils.py</c>.
/// </summary>
/// <remarks>Immutable and safe to share between threads.</remarks>
public sealed class BoxCoder
{
    private const long BoxesOfItem = 2048;

    private readonly double _wx, _wy, _ww, _wh;

    /// <summary>Creates a coder.</summary>
    /// <param name="wx">Factor on the horizontal shift; 10 in the box head, 1 in the RPN.</param>
    /// <param name="wy">Factor on the vertical shift.</param>
    /// <param name="ww">Factor on the logarithm of the width; 5 in the box head, 1 in the RPN.</param>
    /// <param name="wh">Factor on the logarithm of the height.</param>
    public BoxCoder(double wx, double wy, double ww, double wh)
    {
        (_wx, _wy, _ww, _wh) = (wx, wy, ww, wh);
    }

    /// <summary>Upper bound of the decoded logarithms of width and height: log(1000 / 16).</summary>
    public double Clip { get; init; } = Math.Log(1000.0 / 16);

    /// <summary>Regression targets, image by image.</summary>
    /// <param name="referenceBoxes">Per image the boxes to be reached, <c>[n, 4]</c>.</param>
    /// <param name="proposals">Per image the boxes to start from, <c>[n, 4]</c>.</param>
    /// <returns>Per image <c>[n, 4]</c>: dx, dy, dw, dh. Owned by the caller.</returns>
    public IReadOnlyList<Tensor> Encode(IReadOnlyList<Tensor> referenceBoxes, IReadOnlyList<Tensor> proposals)
    {
        if (referenceBoxes.Count != proposals.Count)
            throw new ArgumentException($"There must be one list of proposals per image: {referenceBoxes.Count} images, {proposals.Count} lists.", nameof(proposals));
        return [.. referenceBoxes.Select((boxes, i) => EncodeSingle(boxes, proposals[i]))];
    }

    /// <summary>Regression targets of one set of boxes.</summary>
    /// <param name="referenceBoxes">The boxes to be reached, <c>[n, 4]</c>.</param>
    /// <param name="proposals">The boxes to start from, <c>[n, 4]</c>.</param>
    /// <returns><c>[n, 4]</c>: dx, dy, dw, dh.</returns>
    public Tensor EncodeSingle(Tensor referenceBoxes, Tensor proposals)
    {
        BoxOps.CheckBoxes(referenceBoxes, nameof(referenceBoxes));
        BoxOps.CheckBoxes(proposals, nameof(proposals));
        using var scope = NewDisposeScope();
        var (width, height, centerX, centerY) = CentersAndSizes(proposals);
        var (toWidth, toHeight, toX, toY) = CentersAndSizes(referenceBoxes);
        return stack(
            [
                _wx * (toX - centerX) / width, _wy * (toY - centerY) / height,
                _ww * log(toWidth / width), _wh * log(toHeight / height),
            ],
            1).MoveToOuterDisposeScope();
    }

    /// <summary>Boxes from predicted regression codes, for all images at once.</summary>
    /// <param name="relativeCodes"><c>[n, 4 · classes]</c>, where n counts the boxes of all images.</param>
    /// <param name="boxes">Per image the boxes to start from, <c>[nᵢ, 4]</c>.</param>
    /// <returns><c>[n, classes, 4]</c>.</returns>
    public Tensor Decode(Tensor relativeCodes, IReadOnlyList<Tensor> boxes)
    {
        using var scope = NewDisposeScope();
        var all = boxes.Count == 1 ? boxes[0] : cat([.. boxes], 0);
        if (relativeCodes.dim() != 2 || relativeCodes.shape[0] != all.shape[0])
        {
            throw new ArgumentException(
                $"There must be one row of codes per box, [{all.shape[0]}, 4 · classes]; given [{string.Join(", ", relativeCodes.shape)}].",
                nameof(relativeCodes));
        }

        return DecodeSingle(relativeCodes, all).view(all.shape[0], relativeCodes.shape[1] / 4, 4).MoveToOuterDisposeScope();
    }

    /// <summary>Boxes from predicted regression codes.</summary>
    /// <param name="relativeCodes"><c>[n, 4 · classes]</c>; dw and dh above <see cref="Clip"/> count as <see cref="Clip"/>.</param>
    /// <param name="boxes">The boxes to start from, <c>[n, 4]</c>.</param>
    /// <returns><c>[n, 4 · classes]</c> in the codes' dtype; gradients flow to both. float32 on the CPU takes a managed kernel where none are recorded.</returns>
    public Tensor DecodeSingle(Tensor relativeCodes, Tensor boxes)
    {
        BoxOps.CheckBoxes(boxes, nameof(boxes));
        if (relativeCodes.dim() == 2 && relativeCodes.shape[0] == boxes.shape[0] && relativeCodes.shape[1] % 4 == 0 && TensorMemory.IsManagedWithoutGradient(relativeCodes, boxes))
            return DecodeManaged(relativeCodes, boxes);
        return DecodeComposed(relativeCodes, boxes);
    }

    /// <summary>The kernel for this coder's factors.</summary>
    internal BoxDecodeKernel Kernel() => new(_wx, _wy, _ww, _wh, Clip);

    internal Tensor DecodeComposed(Tensor relativeCodes, Tensor boxes)
    {
        using var scope = NewDisposeScope();
        var (width, height, centerX, centerY) = CentersAndSizes(boxes.to(relativeCodes.dtype), keepDim: true); // [n, 1]
        var codes = relativeCodes.view(relativeCodes.shape[0], relativeCodes.shape[1] / 4, 4).unbind(2); // 4 × [n, classes]
        var x = codes[0] / _wx * width + centerX;
        var y = codes[1] / _wy * height + centerY;
        var halfWidth = 0.5 * (exp((codes[2] / _ww).clamp_max(Clip)) * width);
        var halfHeight = 0.5 * (exp((codes[3] / _wh).clamp_max(Clip)) * height);
        return stack([x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight], 2).flatten(1).MoveToOuterDisposeScope();
    }

    private unsafe Tensor DecodeManaged(Tensor relativeCodes, Tensor boxes)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var (count, classes) = (relativeCodes.shape[0], relativeCodes.shape[1] / 4);
        var output = empty([count, 4 * classes], ScalarType.Float32);
        var codes = (float*)TensorMemory.Address(relativeCodes.contiguous());
        var starts = (float*)TensorMemory.Address(boxes.contiguous());
        var decoded = (float*)TensorMemory.Address(output);
        var kernel = Kernel();
        // Rows of one item of work: about two thousand boxes, some twenty microseconds.
        var rows = Math.Max(1, BoxesOfItem / Math.Max(1, classes));
        TensorMemory.For((int)((count + rows - 1) / rows), item =>
        {
            for (var i = item * rows; i < Math.Min(count, (item + 1) * rows); i++)
            {
                for (var at = 4 * i * classes; at < 4 * (i + 1) * classes; at += 4)
                    Vector128.Store(kernel.Decode(codes + at, starts + 4 * i), decoded + at);
            }
        });
        return output.MoveToOuterDisposeScope();
    }

    private static (Tensor Width, Tensor Height, Tensor X, Tensor Y) CentersAndSizes(Tensor boxes, bool keepDim = false)
    {
        var part = keepDim ? boxes.unsqueeze(1).unbind(2) : boxes.unbind(1);
        var width = part[2] - part[0];
        var height = part[3] - part[1];
        return (width, height, part[0] + 0.5 * width, part[1] + 0.5 * height);
    }
}
