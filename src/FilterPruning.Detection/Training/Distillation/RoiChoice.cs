using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Training;

/// <summary>The boxes on which two models' heads are compared.</summary>
/// <param name="Boxes">For each image <c>[K, 4]</c>.</param>
/// <param name="MaskRows">For each image int64 <c>[M]</c>: which of its boxes masks are compared on.</param>
internal sealed record RoiChoice(Tensor[] Boxes, Tensor[] MaskRows)
{
    /// <summary>What a model's own losses sampled: all boxes, masks on the foreground among them.</summary>
    public static RoiChoice Of(IReadOnlyList<RoiSample> samples) =>
        new([.. samples.Select(sample => sample.Boxes)], [.. samples.Select(sample => arange(sample.Positives, dtype: int64, device: sample.Boxes.device))]);

    /// <summary>The same boxes, masks on those of each image that are likeliest foreground, and at most so many.</summary>
    /// <param name="logits">The teacher's, <c>[ΣK, classes]</c>; class 0 is the background.</param>
    /// <param name="count">The most for one image.</param>
    public RoiChoice WithMaskRows(Tensor logits, int count)
    {
        Tensor foreground = logits.softmax(1).select(1, 0).neg(); // [ΣK], larger is likelier
        var rows = new Tensor[Boxes.Length];
        long first = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            long own = Boxes[i].shape[0];
            (_, rows[i]) = foreground.narrow(0, first, own).topk((int)Math.Min(count, own));
            first += own;
        }

        return this with { MaskRows = rows };
    }

    /// <summary>The boxes that masks are compared on.</summary>
    public Tensor[] MaskBoxes() => [.. Boxes.Zip(MaskRows, (boxes, rows) => boxes.index_select(0, rows))];

    /// <summary>The rows of those boxes among the boxes of all images.</summary>
    public Tensor MaskRowsOfAll()
    {
        long first = 0;
        var rows = new List<Tensor>();
        for (int i = 0; i < Boxes.Length; i++)
        {
            rows.Add(MaskRows[i] + first);
            first += Boxes[i].shape[0];
        }

        return cat(rows);
    }
}

/// <summary>What a model's heads say about chosen boxes.</summary>
/// <param name="Logits"><c>[ΣK, classes]</c>.</param>
/// <param name="Deltas"><c>[ΣK, classes, 4]</c>.</param>
/// <param name="Masks">Logits <c>[ΣM, classes, 28, 28]</c>; null where masks are not wanted.</param>
internal sealed record HeadOutputs(Tensor Logits, Tensor Deltas, Tensor? Masks)
{
    public static HeadOutputs Of(MaskRcnnModel model, Tensor[] features, RoiChoice choice, ImageList batch, bool masks = true)
    {
        (Tensor logits, Tensor deltas) = model.Heads.ClassifyBoxes(features, choice.Boxes, batch.Sizes);
        return new HeadOutputs(logits, deltas, masks ? model.Heads.PredictMasks(features, choice.MaskBoxes(), batch.Sizes) : null);
    }
}
