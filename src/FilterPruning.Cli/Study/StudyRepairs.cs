using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;

namespace FilterPruning.Cli.Study;

/// <summary>What a repair works with. The photos are unlabelled and none of them is a test photo.</summary>
internal sealed record RepairInput(MaskRcnnModel Model, DependencyGraph Graph, PruningPlan Plan, IReadOnlyList<Tensor> Photos, CalibrationForward Forward);

/// <summary>How a pruned model is repaired without labels, by the names in the result files. The model still has its width: a repair comes before the cut.</summary>
internal static class StudyRepairs
{
    /// <summary>The name of the raw cut.</summary>
    public const string None = "none";

    /// <summary>The name of the library's repair with its defaults.</summary>
    public const string LeastSquares = "least-squares";

    private static readonly (string Name, Action<RepairInput, Action<double>, CancellationToken>? Apply)[] Known =
    [
        (None, null),
        (LeastSquares, (input, report, cancellation) => Fit(input, new RepairOptions(), report, cancellation)),
        ("bias", (input, report, cancellation) => BiasCompensation.Apply(
            input.Model, input.Graph, input.Plan, input.Photos, (model, photo) => input.Forward.Run(model, photo), new CompensationOptions { Progress = Progress(report) }, cancellation)),
        ("moments", (input, report, cancellation) => MomentMatching.Apply(
            input.Model, input.Graph, input.Plan, input.Photos, (model, photo) => input.Forward.Run(model, photo), new CompensationOptions { Progress = Progress(report) }, cancellation)),
        // As many made-up images as there are photos.
        (DataFree.Name, (input, report, cancellation) => DataFree.Repair(
            input.Model, input.Graph, input.Plan, input.Photos.Count, 0, new RepairOptions { Progress = Progress(report) }, cancellation)),
    ];

    public static IReadOnlyList<string> Names { get; } = [.. Known.Select(repair => repair.Name)];

    /// <summary>Repairs by name; <see cref="None"/> does nothing.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="input">What there is to work with.</param>
    /// <param name="report">Told a share from 0 to 1.</param>
    /// <param name="cancellation">Ends the work early; the model is then as it was.</param>
    public static void Apply(string name, RepairInput input, Action<double> report, CancellationToken cancellation) =>
        Find(name)?.Invoke(input, report, cancellation);

    /// <exception cref="ArgumentException">There is no such repair.</exception>
    public static void Check(string name) => Find(name);

    private static Action<RepairInput, Action<double>, CancellationToken>? Find(string name) => Array.FindIndex(Known, repair => repair.Name == name) is >= 0 and var index
        ? Known[index].Apply
        : throw new ArgumentException($"There is no repair '{name}'; allowed are {string.Join(", ", Names)}.");

    private static void Fit(RepairInput input, RepairOptions options, Action<double> report, CancellationToken cancellation) =>
        LeastSquaresRepair.Apply(
            input.Model, input.Graph, input.Plan, input.Photos, (model, photo) => input.Forward.Run(model, photo),
            options with { Progress = Progress(report) }, cancellation);

    private static Immediate<RepairProgress> Progress(Action<double> report) => new(p => report((double)p.Done / p.Total));
}
