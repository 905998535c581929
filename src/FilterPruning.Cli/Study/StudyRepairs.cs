using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;

namespace FilterPruning.Cli.Study;

/// <summary>What a repair works with: the model with its full width, and what was collected of it from unlabelled photos, none of them a test photo.</summary>
internal sealed record RepairInput(MaskRcnnModel Model, DependencyGraph Graph, PruningPlan Plan, StudyCalibration Calibration);

/// <summary>How a pruned model is repaired without labels, by the names in the result files. A repair comes before the cut.</summary>
internal static class StudyRepairs
{
    /// <summary>The name of the raw cut.</summary>
    public const string None = "none";

    /// <summary>The name of the library's repair with its defaults.</summary>
    public const string LeastSquares = "least-squares";

    // The model may find nothing on them, and the mask head would then see nothing.
    private const int BoxesOnMadeUpImages = 10;

    private static readonly (string Name, bool NeedsPhotos, Action<RepairInput, Action<double>, CancellationToken>? Apply)[] Known =
    [
        (None, false, null),
        (LeastSquares, true, (input, report, cancellation) => Fit(input, new RepairOptions(), report, cancellation)),
        ("least-squares-channels", true, (input, report, cancellation) => Fit(input, new RepairOptions { Patches = false }, report, cancellation)),
        ("bias", true, (input, _, cancellation) =>
            BiasCompensation.Apply(input.Model, input.Graph, input.Plan, input.Calibration.Photos, input.Calibration.Run, cancellation: cancellation)),
        ("moments", true, (input, _, cancellation) =>
            MomentMatching.Apply(input.Model, input.Graph, input.Plan, input.Calibration.Photos, input.Calibration.Run, cancellation: cancellation)),
        // As many made-up images as there are photos.
        (DataFree.Name, false, (input, report, cancellation) =>
            DataFree.Repair(input.Model, input.Graph, input.Plan, input.Calibration.Photos.Count, 0, new RepairOptions { Progress = Share(report) }, cancellation)),
    ];

    public static IReadOnlyList<string> Names { get; } = [.. Known.Select(repair => repair.Name)];

    /// <summary>Whether a repair looks at photos.</summary>
    /// <exception cref="ArgumentException">There is no such repair.</exception>
    public static bool NeedsPhotos(string name) => Known[IndexOf(name)].NeedsPhotos;

    /// <summary>Repairs by name; <see cref="None"/> does nothing.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="input">What there is to work with.</param>
    /// <param name="report">Told a share from 0 to 1.</param>
    /// <param name="cancellation">Ends the work early; the model is then as it was.</param>
    public static void Apply(string name, RepairInput input, Action<double> report, CancellationToken cancellation) => Known[IndexOf(name)].Apply?.Invoke(input, report, cancellation);

    private static int IndexOf(string name) => Array.FindIndex(Known, repair => repair.Name == name) is >= 0 and var index
        ? index
        : throw new ArgumentException($"There is no repair '{name}'; allowed are {string.Join(", ", Names)}.");

    private static void Fit(RepairInput input, RepairOptions options, Action<double> report, CancellationToken cancellation) =>
        LeastSquaresRepair.Apply(input.Model, input.Calibration.Sample, input.Plan, options with { Progress = Share(report) }, cancellation);

    private static Immediate<RepairProgress> Share(Action<double> report) => new(p => report((double)p.Done / p.Total));
}
