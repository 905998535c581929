using FilterPruning.Layers;
using FilterPruning.Tracing;
using TorchSharp.Modules;

namespace FilterPruning.Inference;

/// <summary>A layer and the norm that alone reads it.</summary>
internal sealed record NormPair(string LayerName, nn.Module<Tensor, Tensor> Layer, string NormName, nn.Module<Tensor, Tensor> Norm, NormConstants Constants)
{
    public Tensor Weight => Layer is Convolution convolution ? convolution.weight : ((Linear)Layer).weight;

    public Tensor? Bias => Layer is Convolution convolution ? convolution.bias : ((Linear)Layer).bias;

    public long Groups => Layer is Convolution convolution ? convolution.groups : 1;

    public int OutputAxis => Layer is Convolution { transposed: true } ? 1 : 0;
}

/// <summary>
/// Finds which norm reads which layer, by hooks in one forward. Whether anything else reads the layer too shows in a second one, in which the layer hands on NaN to all but its norm: the answers must not change.
/// </summary>
internal sealed class NormPairs
{
    private readonly nn.Module _model;
    private readonly Func<object?> _forward;
    private readonly List<(string Name, nn.Module<Tensor, Tensor> Module)> _layers;
    private readonly List<(string Name, nn.Module<Tensor, Tensor> Module, NormConstants Constants)> _norms = [];
    private readonly List<KeptNorm> _kept = [];

    private NormPairs(nn.Module model, Func<object?> forward)
    {
        (_model, _forward) = (model, forward);
        var modules = model.named_modules().Where(entry => entry.module is nn.Module<Tensor, Tensor>)
            .Select(entry => (entry.name, (nn.Module<Tensor, Tensor>)entry.module)).DistinctBy(entry => entry.Item2).ToList();
        _layers = [.. modules.Where(entry => entry.Item2 is Convolution or Linear)];
        foreach (var (name, module) in modules)
        {
            if (module is IConstantNorm { IsFolded: true })
                _kept.Add(new KeptNorm(name, "it is folded already"));
            else if (NormConstants.Of(module) is { } constants)
                _norms.Add((name, module, constants));
            else if (module is NormBase)
                _kept.Add(new KeptNorm(name, "it normalises by the input's own statistics: it trains, keeps no running statistics, or is an instance norm"));
        }
    }

    public static (IReadOnlyList<NormPair> Pairs, IReadOnlyList<KeptNorm> Kept) Find(nn.Module model, Func<object?> forward)
    {
        var search = new NormPairs(model, forward);
        var candidates = search.Adjacent(out var answers);
        return (search.ReadByNothingElse(candidates, answers), search._kept);
    }

    private List<NormPair> Adjacent(out IReadOnlyList<Tensor> answers)
    {
        var producer = new Dictionary<Tensor, nn.Module>(ReferenceEqualityComparer.Instance);
        var outputs = new Dictionary<nn.Module, int>();
        var readers = new Dictionary<nn.Module, List<(nn.Module? Layer, long Dimensions)>>();
        using var hooks = new Removers();
        foreach (var (_, module) in _layers)
        {
            hooks.Add(module.register_forward_hook((_, _, y) =>
            {
                producer[y] = module;
                outputs[module] = outputs.GetValueOrDefault(module) + 1;
                return y;
            }).remove);
        }

        foreach (var (_, module, _) in _norms)
        {
            hooks.Add(module.register_forward_pre_hook((_, x) =>
            {
                readers.TryAdd(module, []);
                readers[module].Add((producer.GetValueOrDefault(x), x.dim()));
                return x;
            }).remove);
        }

        answers = ReturnedTensors.In(_forward());
        var names = _layers.ToDictionary(entry => (nn.Module)entry.Module, entry => entry.Name);
        var shared = SharedWeights();
        var pairs = new List<NormPair>();
        foreach (var (name, module, constants) in _norms)
        {
            var calls = readers.GetValueOrDefault(module);
            var layers = calls?.Select(call => call.Layer).Distinct().ToList() ?? [];
            var reason = calls is null ? "the forward did not call it"
                : layers.Count > 1 ? "it reads several layers"
                : layers[0] is not { } layer ? "what it reads does not come from a convolution or a linear layer alone"
                : outputs[layer] != calls.Count ? $"{names[layer]} is called more often than it"
                : shared.Contains(layer) ? $"{names[layer]} shares its weight with another layer"
                : calls.Any(call => call.Dimensions != (layer is Linear ? 2 : ((Convolution)layer).weight.dim())) ? "its channels do not lie along the layer's own axis, or the input has no batch"
                : null;
            if (reason is not null)
                _kept.Add(new KeptNorm(name, reason));
            else
                pairs.Add(new NormPair(names[layers[0]!], (nn.Module<Tensor, Tensor>)layers[0]!, name, module, constants));
        }

        return pairs;
    }

    private List<NormPair> ReadByNothingElse(List<NormPair> pairs, IReadOnlyList<Tensor> answers)
    {
        if (pairs.Count == 0 || AnswersStay(pairs, answers))
            return pairs;
        var alone = new List<NormPair>();
        foreach (var pair in pairs)
        {
            if (AnswersStay([pair], answers))
                alone.Add(pair);
            else
                _kept.Add(new KeptNorm(pair.NormName, $"something else reads {pair.LayerName} too, or the forward does not answer the same each time"));
        }

        return alone;
    }

    private bool AnswersStay(List<NormPair> pairs, IReadOnlyList<Tensor> answers)
    {
        using var scope = NewDisposeScope();
        var hidden = new Dictionary<Tensor, Tensor>(ReferenceEqualityComparer.Instance);
        using var hooks = new Removers();
        foreach (var pair in pairs)
        {
            hooks.Add(pair.Layer.register_forward_hook((_, _, y) =>
            {
                var stand = full_like(y, double.NaN);
                hidden[stand] = y.alias().DetachFromDisposeScope();
                return stand;
            }).remove);
            hooks.Add(pair.Norm.register_forward_pre_hook((_, x) => hidden.GetValueOrDefault(x, x)).remove);
        }

        try
        {
            var now = ReturnedTensors.In(_forward());
            return now.Count == answers.Count && now.Zip(answers).All(pair => Same(pair.First, pair.Second));
        }
        catch (Exception)
        {
            return false; // NaN went where the code does not bear it, whatever it throws then
        }
        finally
        {
            foreach (var tensor in hidden.Values)
                tensor.Dispose();
        }
    }

    private static bool Same(Tensor one, Tensor two) =>
        one.shape.SequenceEqual(two.shape) && one.eq(two).logical_or(one.ne(one).logical_and(two.ne(two))).all().item<bool>();

    private HashSet<nn.Module> SharedWeights() =>
        [.. _layers.GroupBy(entry => entry.Module is Convolution convolution ? convolution.weight.Handle : ((Linear)entry.Module).weight.Handle)
            .Where(group => group.Count() > 1).SelectMany(group => group).Select(entry => (nn.Module)entry.Module)];

    private sealed class Removers : List<Action>, IDisposable
    {
        public void Dispose()
        {
            foreach (var remove in this)
                remove();
        }
    }
}
