using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning;

/// <summary>What <see cref="Pruner"/> did to a model. Immutable; refers to the model's parameters, holds no tensor of its own.</summary>
public sealed record PruningReport
{
    /// <summary>The plan that was applied.</summary>
    public required PruningPlan Plan { get; init; }

    /// <summary>The model's cost before.</summary>
    public required Cost Before { get; init; }

    /// <summary>The model's cost after, measured on the pruned layers at the sizes of the traced forward.</summary>
    public required Cost After { get; init; }

    /// <summary>The largest relative difference between the pruned model and its masked self; see <see cref="Proof.EquivalenceProof"/>.</summary>
    public required double ProofError { get; init; }

    /// <summary>Every traced layer, in data order.</summary>
    public required IReadOnlyList<LayerReport> Layers { get; init; }

    /// <summary>Wall time of tracing, planning, cutting and proving.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>What was cut, layer by layer.</summary>
    internal IReadOnlyList<LayerCut> Cuts { get; init; } = [];

    /// <summary>
    /// Makes up for an optimizer that was not named in <see cref="PruningOptions.Optimizers"/>: cuts the averages it keeps for the parameters that shrank. Averages that
    /// fit already are left alone, so that calling it twice does no harm.
    /// </summary>
    /// <param name="optimizer">An optimizer that has not stepped since the cut. After several cuts, call each report's in turn.</param>
    /// <exception cref="ArgumentException">An optimizer whose state is out of reach, such as <c>LBFGS</c>.</exception>
    /// <exception cref="PruningException">The optimizer keeps something that cannot be cut. It is then as it was.</exception>
    public void CutOptimizer(optim.Optimizer optimizer) => OptimizerMoments.CutLate(optimizer, Cuts);

    /// <summary>A table for people: the totals, then the layers that lost output channels, then those that could not and why.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        void Line(FormattableString line) => text.Append(FormattableString.Invariant(line)).Append('\n');

        Line($"parameters   {Before.Parameters / 1e6:F2} M -> {After.Parameters / 1e6:F2} M ({Share(Before.Parameters, After.Parameters):F1} % less)");
        Line($"MACs         {Before.Macs / 1e9:F3} G -> {After.Macs / 1e9:F3} G ({Share(Before.Macs, After.Macs):F1} % less)");
        Line($"groups       {Plan.RemovedGroups} of {Plan.TotalGroups} removed");
        Line($"proof error  {ProofError:E1} relative to the masked model");
        Line($"time         {Elapsed.TotalSeconds:F1} s");
        var width = Layers.Select(layer => layer.Name.Length).DefaultIfEmpty().Max();
        var kind = Layers.Select(layer => layer.Kind.Length).DefaultIfEmpty().Max();
        foreach (var layer in Layers.Where(layer => layer.After < layer.Before))
            Line($"  {layer.Name.PadRight(width)}  {layer.Kind.PadRight(kind)} {layer.Before,5} -> {layer.After}");
        foreach (var layer in Layers.Where(layer => layer.Skipped is not null))
            Line($"  {layer.Name.PadRight(width)}  {layer.Kind.PadRight(kind)} {layer.Before,5} stay: {layer.Skipped}");
        return text.ToString();
    }

    /// <summary>
    /// The report as indented JSON: <c>parameters</c> and <c>macs</c> with <c>before</c> and <c>after</c>, <c>proofError</c>, <c>seconds</c>,
    /// <c>removedGroups</c>, <c>totalGroups</c>, and <c>layers</c> with <c>name</c>, <c>kind</c>, <c>before</c>, <c>after</c>, <c>inputsBefore</c>,
    /// <c>inputsAfter</c>, <c>scoreMinimum</c>, <c>scoreMaximum</c> and <c>skipped</c>. The plan has its own form: <see cref="PruningPlan.ToJson"/>.
    /// </summary>
    public string ToJson() => JsonSerializer.Serialize(
        new ReportDocument(
            new(Before.Parameters, After.Parameters), new(Before.Macs, After.Macs), ProofError, Elapsed.TotalSeconds, Plan.RemovedGroups, Plan.TotalGroups, Layers),
        ReportJsonContext.Relaxed.ReportDocument);

    private static double Share(long before, long after) => before == 0 ? 0 : 100.0 * (before - after) / before;
}

internal sealed record ReportDocument(
    BeforeAfter Parameters, BeforeAfter Macs, double ProofError, double Seconds, int RemovedGroups, int TotalGroups, IReadOnlyList<LayerReport> Layers);

internal sealed record BeforeAfter(long Before, long After);

[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(ReportDocument))]
internal sealed partial class ReportJsonContext : JsonSerializerContext
{
    public static ReportJsonContext Relaxed { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
