using System.Globalization;

namespace FilterPruning.Cli.Study;

/// <summary>What identifies a point of the study: two lines with the same key measured the same thing, and a point whose key is in the file is not measured again.</summary>
/// <param name="Dataset"><c>pennfudan</c> or <c>shapescenes</c>.</param>
/// <param name="Model">The architecture, <c>maskrcnn_resnet50_fpn</c> for instance; <c>shapescenes</c> for the narrow sample model.</param>
/// <param name="Checkpoint">First 12 hexadecimal digits of the SHA-256 of the dense weights' file.</param>
/// <param name="Criterion">A name that <see cref="CriterionNames"/> knows; <see cref="Anything"/> for the unpruned model.</param>
/// <param name="Scope">A name that <see cref="StudyScopes"/> knows; <see cref="Anything"/> for the unpruned model.</param>
/// <param name="Layers">A name that <see cref="LayerScopes"/> knows: whose filters are counted.</param>
/// <param name="Ratio">Share of the filters to remove, 0 ≤ ratio &lt; 1; null where there is a target.</param>
/// <param name="Target">What is to remain, as <see cref="Planning.PruningTarget.ToString"/> writes it; null where there is a ratio.</param>
/// <param name="Repair">A name that <see cref="StudyRepairs"/> knows.</param>
/// <param name="Images">Unlabelled images that the repair saw; 0 without repair.</param>
/// <param name="FineTuned">Whether the model was trained after the cut.</param>
/// <param name="Seed">Of the random criterion; 0 for all others.</param>
/// <param name="EvalImages">Test images that it is measured on.</param>
/// <param name="EvalSize">Short side, in pixels, that they are resized to.</param>
/// <param name="Budget">Length of the fine-tuning as a share of the original training; null without one.</param>
internal sealed record StudyKey(
    string Dataset, string Model, string Checkpoint, string Criterion, string Scope, string Layers, double? Ratio, string? Target,
    string Repair, int Images, bool FineTuned, int Seed, int EvalImages, int EvalSize, double? Budget = null)
{
    /// <summary>Criterion and scope of the unpruned model, which is ratio 0 of every one of them.</summary>
    public const string Anything = "any";

    /// <summary>The unpruned model.</summary>
    public bool IsDense => Ratio == 0 && Target is null;

    /// <summary>What the plan depends on: the same for a raw point, its repaired and its fine-tuned sister.</summary>
    public string PlanText => Join(Dataset, Model, Checkpoint, Criterion, Scope, Layers, Number(Ratio), Target, Seed.ToString(CultureInfo.InvariantCulture));

    /// <summary>A line for people, without what is the same for all points of a run.</summary>
    public override string ToString()
    {
        if (IsDense)
            return "unpruned";
        var seed = Criterion == StudyGrid.Random ? $" (seed {Seed.ToString(CultureInfo.InvariantCulture)})" : "";
        return $"{Criterion}{seed}, {Scope}, {Layers}, {Target ?? Number(Ratio)}, {(Repair == StudyRepairs.None ? "raw" : Repair)}{Tuned}";
    }

    private string Tuned => !FineTuned ? "" : Budget is { } budget ? string.Create(CultureInfo.InvariantCulture, $", fine-tuned for {budget:0.##%} of the training") : ", fine-tuned";

    private static string Number(double? value) => value?.ToString("R", CultureInfo.InvariantCulture) ?? "";

    private static string Join(params string?[] parts) => string.Join('|', parts);
}
