using TorchSharp.Modules;

namespace FilterPruning.Surgery;

/// <summary>How a cut is proved. Immutable.</summary>
public sealed record SurgeryOptions
{
    /// <summary>
    /// The largest difference between an output of the pruned model and that of its masked self, relative to the largest absolute value of that
    /// output. Default 1e-4: a sum of K float32 terms taken in another order differs by about √K · 6·10⁻⁸ of the size of its terms; for
    /// K = 12,544, the widest layer of Mask R-CNN, that is 7·10⁻⁶, and the terms may be ten times larger than their sum. Layers in half precision
    /// are given at least 1e-2, in bfloat16 5e-2, about ten times their rounding step. Above 0.
    /// </summary>
    public double Tolerance { get; init; } = 1e-4;

    /// <summary>Whether to trace the model again after the cut and compare its ties with the expected ones. Default false.</summary>
    public bool VerifyTrace { get; init; }

    /// <summary>
    /// Optimizers that train the model: their momenta and other running averages are cut with the parameters, and come back with an undo. Learning rates, parameter
    /// groups and schedules stay. Default none. Nothing can tell which optimizers there are: one with such averages that is left out throws at its next step;
    /// <see cref="CutResult.CutOptimizer"/> and <see cref="PruningReport.CutOptimizer"/> make up for it. One without (plain SGD) need not be given, unless the model has native layers that shrink (<c>LSTM</c>, <c>GRU</c>, <c>MultiheadAttention</c>): every optimizer made before
    /// the cut knows their parameters by what stands behind them, which changes. Allowed are all optimizers of TorchSharp but <c>LBFGS</c>,
    /// whose state is out of reach (make it anew after the cut), and classes of your own derived from <see cref="OptimizerHelper"/> whose states hold, for
    /// each parameter, tensors of its shape, single numbers, or arrays and lists of these; anything else is refused before the model is touched.
    /// </summary>
    public IReadOnlyList<optim.Optimizer> Optimizers { get; init; } = [];

    /// <summary>
    /// Whether <see cref="CutResult.Undo"/> shall lead back, even after training went on. Default true: the result then holds the old weights of layers that shrank and copies of all others, beside the
    /// cut model, until it is disposed. False lets go of everything once the cut is proved, and holds less until then: parameters that
    /// no cut touches are not copied, and old weights are let go early where they would lie beside narrowed ones that are together larger than the model's largest layer. Either way a cut that fails leaves everything as it was.
    /// </summary>
    public bool CanUndo { get; init; } = true;

    /// <summary>Whether a result that cannot undo after training can at least until it is disposed, as long as nothing was trained.</summary>
    internal bool HoldsOn { get; init; }

    /// <summary>
    /// Told before and after each step of the cut and its proof: <see cref="PruningStage.Cut"/> 1 once the masked model is recorded, 2 once the tensors are narrowed. What it throws takes the
    /// cut back. Default null.
    /// </summary>
    public IProgress<PruningProgress>? Progress { get; init; }

    /// <summary>Called before each step with its stage, the steps done and their number; what it throws takes the cut back. Null for nothing.</summary>
    internal Action<PruningStage, int, int>? OnStep { get; init; }

    /// <summary>Tells both.</summary>
    internal void Step(PruningStage stage, int done, int total)
    {
        OnStep?.Invoke(stage, done, total);
        Progress?.Report(new PruningProgress(stage, done, total));
    }

    /// <summary>Throws one exception that lists everything that is wrong.</summary>
    internal void Validate()
    {
        var errors = new List<string>();
        if (!(Tolerance > 0 && double.IsFinite(Tolerance)))
            errors.Add($"{nameof(Tolerance)} is {Tolerance}; allowed is a finite number above 0. Leave it out to use 1e-4.");
        if (Optimizers is null || Optimizers.Any(optimizer => optimizer is not OptimizerHelper))
        {
            errors.Add(
                $"{nameof(Optimizers)} is null or holds an optimizer whose state is out of reach{Named()}; allowed are all optimizers of TorchSharp but LBFGS, and classes derived "
                + "from OptimizerHelper. Leave that one out and make it anew after the cut.");
        }

        if (errors.Count > 0)
            throw new ArgumentException(string.Join(Environment.NewLine, errors), "options");

        string Named() => Optimizers?.FirstOrDefault(optimizer => optimizer is not null and not OptimizerHelper) is { } other ? $" ({other.GetType().Name})" : "";
    }
}
