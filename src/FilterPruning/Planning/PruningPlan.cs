using System.Globalization;
using System.Text;
using FilterPruning.Graph;

namespace FilterPruning.Planning;

/// <summary>
/// Which channels of which layers are to go. Pure data: it names layers and channel indices and holds no tensor, so that it can be printed,
/// compared, saved, and applied to any instance of the same architecture. Immutable and thread-safe.
/// </summary>
public sealed class PruningPlan
{
    private readonly Dictionary<string, LayerPlan> _byName;

    /// <summary>
    /// The version of the JSON form that this library writes and reads. A file may have a <c>minorVersion</c> beside it: fields of later minor versions are passed over, other versions are refused.
    /// </summary>
    public const int CurrentVersion = 1;

    /// <summary>Creates a plan from its parts and checks that they fit together.</summary>
    /// <exception cref="PruningException">Two layers have one name, or indices are out of range, repeated or not ascending.</exception>
    internal PruningPlan(PlanSettings settings, Cost before, Cost predicted, int totalGroups, int removedGroups, IReadOnlyList<LayerPlan> layers)
    {
        PlanChecks.Check(settings, before, predicted, totalGroups, removedGroups, layers);
        Settings = settings;
        Before = before;
        Predicted = predicted;
        TotalGroups = totalGroups;
        RemovedGroups = removedGroups;
        Layers = layers;
        _byName = layers.ToDictionary(layer => layer.Name, StringComparer.Ordinal);
    }

    /// <summary>The settings the plan was made with.</summary>
    public PlanSettings Settings { get; }

    /// <summary>The model's cost before the cut.</summary>
    public Cost Before { get; }

    /// <summary>The model's cost after the cut, as predicted from the layers' rules.</summary>
    public Cost Predicted { get; }

    /// <summary>The number of channel groups in the model, pinned ones included.</summary>
    public int TotalGroups { get; }

    /// <summary>The number of channel groups the plan removes.</summary>
    public int RemovedGroups { get; }

    /// <summary>Every traced layer, in data order; layers that lose nothing included.</summary>
    public IReadOnlyList<LayerPlan> Layers { get; }

    /// <summary>Finds a layer by name; null when the plan has none of that name.</summary>
    public LayerPlan? Find(string layerName) => _byName.GetValueOrDefault(layerName);

    /// <summary>The plan as indented JSON with line feeds. Reading it with <see cref="FromJson(string)"/> and writing it again gives the same text.</summary>
    public string ToJson() => PlanJson.Write(this);

    /// <summary>Reads a plan back.</summary>
    /// <exception cref="PlanVersionException">The plan has another version.</exception>
    /// <exception cref="PruningException">The text is no plan of a known version, or its numbers contradict each other; the message says where.</exception>
    public static PruningPlan FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        return PlanJson.Read(json);
    }

    /// <summary>
    /// Reads a plan that was written elsewhere, for instance by a Python script, and may leave out what the model itself tells. Needed are the version, the names of layers, and for each the channels to remove
    /// on at least one side. A side that is listed must be listed in full; of layers and sides that are not, the channels that go with the listed ones are filled in, with kinds, widths and costs.
    /// </summary>
    /// <param name="json">The plan: <c>{"version": 1, "layers": [{"name": "conv1", "removedOutputs": [3, 7]}]}</c>.</param>
    /// <param name="graph">The traced model that it is for.</param>
    /// <returns>The complete plan. Without settings of its own it has the criterion <c>external</c> and the ratio of groups it removes.</returns>
    /// <exception cref="PlanVersionException">The plan has another version.</exception>
    /// <exception cref="PruningException">The text is no plan, names an unknown layer or channel, removes what must stay, or keeps what goes with a removed channel; the message names them.</exception>
    public static PruningPlan FromJson(string json, DependencyGraph graph)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(graph);
        return PlanCompletion.Complete(PlanJson.ReadOutline(json), graph);
    }

    /// <summary>The plan that does what this one does and then what a second one does to the result.</summary>
    /// <param name="next">A plan made for the model that this plan leaves behind.</param>
    /// <returns>A plan for the model that this plan was made for; its settings are those of <paramref name="next"/>.</returns>
    /// <exception cref="PruningException">The second plan does not start from the widths at which this one ends.</exception>
    public PruningPlan Then(PruningPlan next)
    {
        ArgumentNullException.ThrowIfNull(next);
        return PlanComposition.Compose(this, next);
    }

    /// <summary>A table for people: the totals, then a line per layer that changes.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"Pruning plan: {(Settings.Target is { } target ? $"target {target}" : $"ratio {Settings.Ratio}")}, {Settings.Scope} scope, criterion {Settings.Criterion}");
        text.AppendLine(CultureInfo.InvariantCulture, $"groups      {RemovedGroups} of {TotalGroups} removed");
        text.AppendLine(CultureInfo.InvariantCulture, $"parameters  {Before.Parameters} -> {Predicted.Parameters}");
        text.AppendLine(CultureInfo.InvariantCulture, $"MACs        {Before.Macs} -> {Predicted.Macs}");
        var changed = Layers.Where(layer => layer.RemovedInputs.Count + layer.RemovedOutputs.Count > 0).ToList();
        var nameWidth = changed.Select(layer => layer.Name.Length).DefaultIfEmpty().Max();
        var kindWidth = changed.Select(layer => layer.Kind.Length).DefaultIfEmpty().Max();
        foreach (var layer in changed)
        {
            text.Append(layer.Name.PadRight(nameWidth)).Append("  ").Append(layer.Kind.PadRight(kindWidth));
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"  in {layer.InputChannels,6} -> {layer.KeptInputs,-6} out {layer.OutputChannels,6} -> {layer.KeptOutputs}");
        }

        return text.ToString().ReplaceLineEndings("\n");
    }

    /// <inheritdoc cref="ToText"/>
    public override string ToString() => ToText();
}
