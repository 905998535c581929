using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Training;

/// <summary>
/// The distances of a distillation as functions of tensors. In each the first argument has gradients and the teacher's has none; equal arguments give exactly 0, with a gradient of exactly 0.
/// Results are scalars, moved to the caller's scope.
/// </summary>
internal static class DistillationTerms
{
    /// <summary>Averaged over levels: <c>Σ (s − t)² / Σ t²</c>.</summary>
    /// <param name="student">The student's levels <c>[N, K, h, w]</c>.</param>
    /// <param name="teacher">The teacher's levels <c>[N, C, h, w]</c>.</param>
    /// <param name="channels">int64 <c>[K]</c>: the teacher's channel that each of the student's was cut from; null where they are the same.</param>
    public static Tensor Features(IReadOnlyList<Tensor> student, IReadOnlyList<Tensor> teacher, Tensor? channels)
    {
        using var scope = NewDisposeScope();
        var levels = new List<Tensor>();
        foreach ((Tensor mine, Tensor known) in student.Zip(teacher))
        {
            Tensor wanted = channels is null ? known : known.index_select(1, channels); // [N, K, h, w]
            levels.Add((mine - wanted).square().sum() / wanted.square().sum().clamp_min(1e-12));
        }

        return stack(levels).mean().MoveToOuterDisposeScope();
    }

    /// <summary>The mean Kullback-Leibler divergence of two-way choices given by logits of any one shape.</summary>
    public static Tensor Binary(Tensor student, Tensor teacher)
    {
        using var scope = NewDisposeScope();
        return BinaryOfEach(student, teacher).mean().MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The mean over boxes of <c>T² · KL(softmax(t / T) ‖ softmax(s / T))</c>; logits <c>[K, classes]</c>. 0, with a gradient of 0, without boxes.
    /// </summary>
    public static Tensor Classes(Tensor student, Tensor teacher, double temperature)
    {
        using var scope = NewDisposeScope();
        if (student.shape[0] == 0)
            return (student.sum() * 0).MoveToOuterDisposeScope();
        Tensor mine = nn.functional.log_softmax(student / temperature, 1);
        Tensor known = nn.functional.log_softmax(teacher / temperature, 1);
        return ((known.exp() * (known - mine)).sum(1).mean() * (temperature * temperature)).MoveToOuterDisposeScope();
    }

    /// <summary>Smooth L1 (with torchvision's β of 1/9) of offsets <c>[S, 4]</c>, each row weighed, divided by the number of rows.</summary>
    /// <param name="student">Offsets with gradients.</param>
    /// <param name="teacher">Offsets to be reached.</param>
    /// <param name="weights"><c>[S]</c>, 0 … 1.</param>
    public static Tensor Offsets(Tensor student, Tensor teacher, Tensor weights)
    {
        using var scope = NewDisposeScope();
        if (student.shape[0] == 0)
            return (student.sum() * 0).MoveToOuterDisposeScope();
        Tensor each = nn.functional.smooth_l1_loss(student, teacher, nn.Reduction.None, 1.0 / 9).sum(1); // [S]
        return ((each * weights).sum() / student.shape[0]).MoveToOuterDisposeScope();
    }

    /// <summary>The offsets of every foreground class, weighed by the teacher's probability of it, summed over classes and divided by the number of boxes.</summary>
    /// <param name="student"><c>[K, classes, 4]</c>.</param>
    /// <param name="teacher">The same shape.</param>
    /// <param name="probabilities">The teacher's, <c>[K, classes]</c>; class 0 is the background.</param>
    public static Tensor ClassOffsets(Tensor student, Tensor teacher, Tensor probabilities)
    {
        using var scope = NewDisposeScope();
        (long boxes, long foreground) = (student.shape[0], student.shape[1] - 1);
        Tensor rows = Offsets(
            student.narrow(1, 1, foreground).reshape(-1, 4), teacher.narrow(1, 1, foreground).reshape(-1, 4), probabilities.narrow(1, 1, foreground).reshape(-1)); // mean over K · (classes − 1) rows
        return (rows * foreground).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The mean pixel's divergence in the mask of each box's likeliest foreground class by the teacher, weighed by its probability, averaged over boxes. 0, with a gradient of 0, without boxes.
    /// </summary>
    /// <param name="student">Logits <c>[M, classes, h, w]</c>.</param>
    /// <param name="teacher">The same shape.</param>
    /// <param name="probabilities">The teacher's for each box, <c>[M, classes]</c>; class 0 is the background.</param>
    public static Tensor Masks(Tensor student, Tensor teacher, Tensor probabilities)
    {
        using var scope = NewDisposeScope();
        if (student.shape[0] == 0)
            return (student.sum() * 0).MoveToOuterDisposeScope();
        (Tensor weights, Tensor classes) = probabilities.narrow(1, 1, probabilities.shape[1] - 1).max(1);
        Tensor rows = arange(student.shape[0], dtype: int64, device: student.device);
        Tensor each = BinaryOfEach(student.index(rows, classes + 1), teacher.index(rows, classes + 1)).mean([1L, 2L]); // [M]
        return (each * weights).mean().MoveToOuterDisposeScope();
    }

    // p (log p − log q) + (1 − p) (log (1 − p) − log (1 − q)), where p is the teacher's.
    private static Tensor BinaryOfEach(Tensor student, Tensor teacher)
    {
        Tensor yes = teacher.sigmoid() * (LogSigmoid(teacher) - LogSigmoid(student));
        Tensor no = teacher.neg().sigmoid() * (LogSigmoid(teacher.neg()) - LogSigmoid(student.neg()));
        return yes + no;
    }

    private static Tensor LogSigmoid(Tensor logits) => nn.functional.logsigmoid(logits);
}
