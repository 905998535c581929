using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Planning;

namespace FilterPruning.Storage;

/// <summary>The layers of a plan found again in a model, by name and rule, without a forward.</summary>
internal sealed class Recipe
{
    /// <summary>Only so many differences are listed, and only for these the nearest name is sought.</summary>
    private const int Listed = 5;

    private readonly Dictionary<string, (LayerPlan Layer, ChannelTensor Tensor)> _tensors = new(StringComparer.Ordinal);

    private Recipe(nn.Module model, IReadOnlyList<(LayerPlan Layer, nn.Module Module, LayerRule Rule)> layers)
    {
        Layers = layers;
        // A module that is registered twice has its tensors under two names.
        var names = model.state_dict().ToLookup(entry => entry.Value.Handle, entry => entry.Key);
        foreach (var (layer, module, rule) in layers)
        {
            foreach (var tensor in rule.Tensors(module))
            {
                var own = rule is BareTensorRule || layer.Name.Length == 0 ? tensor.Name : $"{layer.Name}.{tensor.Name}";
                foreach (var name in names[tensor.Tensor.Handle].DefaultIfEmpty(rule is BareTensorRule ? layer.Name : own))
                    _tensors[name] = (layer, tensor);
            }
        }
    }

    public IReadOnlyList<(LayerPlan Layer, nn.Module Module, LayerRule Rule)> Layers { get; }

    /// <summary>Finds every layer of the plan in the model.</summary>
    public static Recipe Match(nn.Module model, PruningPlan plan, IReadOnlyList<LayerRule>? rules)
    {
        var lookup = new LayerRules(rules);
        var modules = model.named_modules().DistinctBy(entry => entry.name).ToDictionary(entry => entry.name, entry => entry.module, StringComparer.Ordinal);
        modules.TryAdd("", model);
        var found = new List<(LayerPlan, nn.Module, LayerRule)>();
        var errors = new List<string>();
        foreach (var layer in plan.Layers)
        {
            if (Bare(modules, layer) is { } bare)
                found.Add((layer, bare.Module, bare.Rule));
            else if (!modules.TryGetValue(layer.Name, out var module))
                errors.Add($"the model has no layer '{layer.Name}'.{(errors.Count < Listed ? NearMiss.Hint(layer.Name, modules.Keys) : "")}");
            else if (lookup.Find(module) is not { } rule)
                errors.Add($"no rule describes layer '{layer.Name}', a {module.GetType().Name}");
            else if (rule.Kind != layer.Kind)
                errors.Add($"layer '{layer.Name}' is a {rule.Kind}, in the recipe a {layer.Kind}");
            else
                found.Add((layer, module, rule));
        }

        Throw(errors);
        return new Recipe(model, found);
    }

    /// <summary>Refuses a model that does not have the widths the plan leaves.</summary>
    public void ThrowUnlessCut() => Throw([.. Layers
        .Where(entry => entry.Rule.InputChannels(entry.Module) != entry.Layer.KeptInputs || entry.Rule.OutputChannels(entry.Module) != entry.Layer.KeptOutputs)
        .Select(entry =>
            $"layer '{entry.Layer.Name}' is {entry.Rule.InputChannels(entry.Module)} -> {entry.Rule.OutputChannels(entry.Module)} channels wide, "
            + $"after the plan it should be {entry.Layer.KeptInputs} -> {entry.Layer.KeptOutputs}")]);

    /// <summary>Refuses a file whose tensors are not those of the model at the recipe's widths.</summary>
    public void ThrowUnlessFits(IReadOnlyDictionary<string, Tensor> state, SafetensorsFile file)
    {
        var errors = new List<string>();
        foreach (var (layer, module, rule) in Layers)
        {
            if (rule.InputChannels(module) < layer.KeptInputs || rule.OutputChannels(module) < layer.KeptOutputs)
            {
                errors.Add(
                    $"layer '{layer.Name}' of the model is {rule.InputChannels(module)} -> {rule.OutputChannels(module)} channels wide, narrower than the saved "
                    + $"{layer.KeptInputs} -> {layer.KeptOutputs}");
            }
        }

        Throw(errors);
        foreach (var (name, tensor) in state)
        {
            var expected = Narrowed(name, tensor.shape);
            if (!file.Entries.TryGetValue(name, out var entry))
                errors.Add($"the file has no tensor '{name}'.{(errors.Count < Listed ? NearMiss.Hint(name, file.Names) : "")}");
            else if (!entry.Shape.SequenceEqual(expected))
                errors.Add($"tensor '{name}' is [{string.Join(", ", entry.Shape)}] in the file, but the model at the recipe's widths has [{string.Join(", ", expected)}]");
            else if (entry.DType != tensor.dtype)
                errors.Add($"tensor '{name}' is {entry.DType} in the file, but {tensor.dtype} in the model; convert the model first");
        }

        errors.AddRange(file.Names.Where(name => !state.ContainsKey(name)).Select(name => $"the model has no tensor '{name}'"));
        Throw(errors);
    }

    /// <summary>
    /// SHA-256 over the names of all tensors, the kinds of the layers, and the shapes of whatever no cut changes. Of a layer's tensors only the number of axes
    /// counts, so that the value is the same before and after any number of cuts.
    /// </summary>
    public string Fingerprint(IEnumerable<(string Name, IReadOnlyList<long> Shape)> tensors)
    {
        var text = new StringBuilder();
        foreach (var (name, shape) in tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal))
        {
            if (_tensors.TryGetValue(name, out var entry))
                text.Append(CultureInfo.InvariantCulture, $"{name} {entry.Layer.Kind} {shape.Count}\n");
            else
                text.Append(CultureInfo.InvariantCulture, $"{name} [{string.Join(',', shape)}]\n");
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>The module that holds a parameter or buffer outside all layers, or null when the plan's entry is a layer.</summary>
    private static (nn.Module Module, BareTensorRule Rule)? Bare(Dictionary<string, nn.Module> modules, LayerPlan layer)
    {
        var dot = layer.Name.LastIndexOf('.');
        if (BareTensorRule.FromKind(layer.Kind, layer.Name[(dot + 1)..]) is not { } rule || !modules.TryGetValue(dot < 0 ? "" : layer.Name[..dot], out var module))
            return null;
        return rule.Handles(module) ? (module, rule) : null;
    }

    private long[] Narrowed(string name, long[] shape)
    {
        if (!_tensors.TryGetValue(name, out var entry))
            return shape;
        var narrowed = shape.ToArray();
        foreach (var axis in entry.Tensor.Axes)
        {
            var (channels, removed) = axis.Side == ChannelAxis.Input
                ? (entry.Layer.InputChannels, entry.Layer.RemovedInputs) : (entry.Layer.OutputChannels, entry.Layer.RemovedOutputs);
            // The model may be as wide as before the cut or anything between; what counts is where the recipe ends.
            var count = axis.Count ?? channels - axis.Offset;
            var gone = removed.Count(channel => channel >= axis.Offset && channel < axis.Offset + count);
            var now = Width(entry.Layer.Name, axis);
            narrowed[axis.Axis] = shape[axis.Axis] * (count - gone) / now;
        }

        return narrowed;
    }

    // The channels that an axis holds in the model as it is.
    private int Width(string layer, TensorAxis axis)
    {
        var (_, module, rule) = Layers.First(entry => entry.Layer.Name == layer);
        return axis.Count ?? (axis.Side == ChannelAxis.Input ? rule.InputChannels(module) : rule.OutputChannels(module)) - axis.Offset;
    }

    private static void Throw(List<string> errors)
    {
        if (errors.Count > 0)
        {
            throw new PruningException(
                $"The recipe does not fit the model in {errors.Count} places: {string.Join("; ", errors.Take(Listed))}. Use the architecture, and the plan, that the file was made with.");
        }
    }
}
