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
    /// Optimizers that train the model: their momenta and other running averages are cut with the parameters, and come back with an undo. Default none;
    /// an optimizer without such averages (plain SGD) need not be given. <c>LBFGS</c> keeps its state out of reach: make it anew after the cut.
    /// </summary>
    public IReadOnlyList<optim.Optimizer> Optimizers { get; init; } = [];

    /// <summary>Throws one exception that lists everything that is wrong.</summary>
    internal void Validate()
    {
        var errors = new List<string>();
        if (!(Tolerance > 0 && double.IsFinite(Tolerance)))
            errors.Add($"{nameof(Tolerance)} is {Tolerance}; allowed is a finite number above 0. Leave it out to use 1e-4.");
        if (Optimizers is null || Optimizers.Any(optimizer => optimizer is not OptimizerHelper))
        {
            errors.Add(
                $"{nameof(Optimizers)} is null or holds an optimizer whose state is out of reach; allowed are all optimizers of TorchSharp but LBFGS. "
                + "Leave that one out and make it anew after the cut.");
        }

        if (errors.Count > 0)
            throw new ArgumentException(string.Join(Environment.NewLine, errors), "options");
    }
}
