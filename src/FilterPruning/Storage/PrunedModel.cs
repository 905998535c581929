using FilterPruning.Layers;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning.Storage;

/// <summary>
/// A pruned model as one safetensors file with the recipe of its cut in the metadata. Reading it builds no module and runs no code from the file:
/// the caller makes a fresh model of the original architecture, and <see cref="Load"/> narrows and fills it.
/// </summary>
public static class PrunedModel
{
    /// <summary>The metadata key of the plan, as <see cref="PruningPlan.ToJson"/> writes it.</summary>
    public const string PlanKey = "filter_pruning.plan";

    /// <summary>The metadata key of the format's version.</summary>
    public const string FormatKey = "filter_pruning.format";

    /// <summary>The metadata key of the architecture's fingerprint: names, kinds, and the shapes of whatever no cut changes.</summary>
    public const string ArchitectureKey = "filter_pruning.architecture";

    private const string FormatVersion = "1";

    /// <summary>Writes a pruned model: beside the target first, then renamed.</summary>
    /// <param name="model">The model after the cut, on any device. It is only read.</param>
    /// <param name="plan">The plan that was applied; for a model that was cut several times the last plan, or all of them joined by <see cref="PruningPlan.Then"/>.</param>
    /// <param name="path">The file to write or replace.</param>
    /// <param name="rules">Rules for layer types of your own, as given to the trace; null when there are none.</param>
    /// <param name="metadata">Entries of your own for the file's metadata; keys beginning with <c>filter_pruning.</c> that this class writes cannot be replaced. Null for none.</param>
    /// <exception cref="PruningException">The model does not have the widths that the plan leaves, or the file cannot be written; what was at the path stays.</exception>
    public static void Save(nn.Module model, PruningPlan plan, string path, IReadOnlyList<LayerRule>? rules = null, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var scope = NewDisposeScope();
        var recipe = Recipe.Match(model, plan, rules);
        recipe.ThrowUnlessCut();
        var state = model.state_dict();
        var entries = new Dictionary<string, string>(metadata ?? new Dictionary<string, string>())
        {
            ["format"] = "pt",  // other readers of safetensors files look for this
            [FormatKey] = FormatVersion,
            [PlanKey] = plan.ToJson(),
            [ArchitectureKey] = recipe.Fingerprint(state.Select(entry => (entry.Key, (IReadOnlyList<long>)entry.Value.shape))),
        };
        SafetensorsFile.Write(path, state.Select(entry => KeyValuePair.Create(entry.Key, entry.Value.detach())), entries);
    }

    /// <summary>Narrows a fresh model to the widths of a saved one and fills it. No forward is run.</summary>
    /// <param name="freshModel">
    /// A model of the original architecture, with the widths before the cut or any others that are no narrower than the saved ones. Its parameters
    /// stay the same objects on the same device; gradients are cleared. Make optimizers after the load.
    /// </param>
    /// <param name="path">A file that <see cref="Save"/> wrote.</param>
    /// <param name="rules">Rules for layer types of your own; null when there are none.</param>
    /// <exception cref="PruningException">The file cannot be read, holds no recipe, or does not fit the model; lists the layers. The model is then as it was.</exception>
    public static void Load(nn.Module freshModel, string path, IReadOnlyList<LayerRule>? rules = null)
    {
        ArgumentNullException.ThrowIfNull(freshModel);
        using var file = SafetensorsFile.Open(path);
        Fill(freshModel, file, rules);
    }

    internal static void Fill(nn.Module freshModel, SafetensorsFile file, IReadOnlyList<LayerRule>? rules)
    {
        using var scope = NewDisposeScope();
        var recipe = Recipe.Match(freshModel, ReadPlan(file), rules);
        var state = freshModel.state_dict();
        recipe.ThrowUnlessFits(state, file);
        if (file.Metadata.GetValueOrDefault(ArchitectureKey) != recipe.Fingerprint(file.Entries.Select(entry => (entry.Key, entry.Value.Shape))))
            throw new PruningException($"The recipe in '{file.Description}' does not belong to the tensors beside it. Save the pruned model again.");

        // Everything is read before anything is touched; from here on only memory can run out.
        var values = state.Keys.ToDictionary(name => name, name => file.Read(name).to(state[name].device));
        using var snapshot = new Snapshot();
        foreach (var tensor in state.Values)
            snapshot.Remember(tensor);
        foreach (var (_, module, rule) in recipe.Layers)
            snapshot.Remember(module, rule);
        try
        {
            foreach (var (layer, module, rule) in recipe.Layers.Where(entry => entry.Rule.IsExchanged))
                snapshot.Remember(NativeExchange.Make(module, rule, layer.KeptInputs, layer.KeptOutputs, []));
            foreach (var (name, tensor) in state)
                Snapshot.Exchange(tensor, values[name]);
            foreach (var (layer, module, rule) in recipe.Layers)
                rule.SetWidths(module, layer.KeptInputs, layer.KeptOutputs);
        }
        catch
        {
            snapshot.Restore();
            throw;
        }
    }

    /// <summary>Reads only the plan of a saved model.</summary>
    /// <exception cref="PruningException">The file cannot be read or holds no recipe.</exception>
    public static PruningPlan ReadPlan(string path)
    {
        using var file = SafetensorsFile.Open(path);
        return ReadPlan(file);
    }

    private static PruningPlan ReadPlan(SafetensorsFile file)
    {
        if (!file.Metadata.TryGetValue(PlanKey, out var json) || !file.Metadata.TryGetValue(FormatKey, out var version))
            throw new PruningException($"'{file.Description}' holds no pruning recipe ('{PlanKey}' in its metadata). Give a file written by {nameof(PrunedModel)}.{nameof(Save)}.");
        if (version != FormatVersion)
            throw new PruningException($"'{file.Description}' has format version '{version}'; this library reads version {FormatVersion}. Use the library version that wrote it.");
        return PruningPlan.FromJson(json);
    }
}
