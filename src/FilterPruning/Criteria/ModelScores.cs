using System.Runtime.InteropServices;
using FilterPruning.Layers;

namespace FilterPruning.Criteria;

/// <summary>
/// Scores every layer of a model in one call, without tracing it: to look at a model before anything is pruned, or to rank filters by hand. Takes little longer than reading the weights once.
/// </summary>
/// <remarks>For criteria that look at weights alone. Those that need data or the whole model are prepared for a traced graph (<see cref="CriterionPreparation"/>) and refuse here.</remarks>
public static class ModelScores
{
    /// <summary>The scores of all layers that have filters.</summary>
    /// <param name="model">Any model; not changed and not run.</param>
    /// <param name="criterion">What scores a filter.</param>
    /// <param name="rules">Which modules are layers; null for the built-in rules.</param>
    /// <returns>For each layer's path one score for each filter, in the order of the model's modules; a layer that is shared stands under its first path.</returns>
    /// <exception cref="PruningException">The criterion needs to be prepared.</exception>
    public static IReadOnlyDictionary<string, float[]> Of(nn.Module model, IPruningCriterion criterion, LayerRules? rules = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(criterion);
        var scores = new Dictionary<string, float[]>(StringComparer.Ordinal);

        // All layers first: scoring empties the caches, and every object that is looked at in between would come from memory.
        FilterBank[] banks = [.. Banks(model, rules ?? new LayerRules())];
        foreach (var bank in banks)
        {
            using var tensor = criterion.Score(bank);
            scores.Add(bank.LayerName, MemoryMarshal.Cast<byte, float>(tensor.bytes).ToArray());
        }

        return scores;
    }

    private static IEnumerable<FilterBank> Banks(nn.Module model, LayerRules rules)
    {
        var known = new HashSet<nn.Module>(ReferenceEqualityComparer.Instance);
        foreach (var (name, module) in model.named_modules().Prepend(("", model)))
        {
            if (known.Add(module) && rules.Find(module) is { } rule && rule.Filters(module) is { OutputAxis: { } axis } filters)
                yield return new FilterBank(name, module, filters.Tensor, axis, filters.Axes.First(one => one.Axis == axis).Count ?? rule.OutputChannels(module));
        }
    }
}
