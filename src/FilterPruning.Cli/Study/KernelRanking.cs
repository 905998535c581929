using FilterPruning.Detection.Models;
using FilterPruning.Graph;

namespace FilterPruning.Cli.Study;

/// <summary>How single kernels are ranked.</summary>
internal enum KernelMeasure
{
    /// <summary>By the sum of their absolute weights: a 1 × 1 kernel is one number against the nine of a 3 × 3 kernel.</summary>
    Sum,

    /// <summary>By the mean of their absolute weights.</summary>
    Mean,
}

/// <summary>What ranking single kernels did to a model.</summary>
/// <param name="Kernels">Kernels that were ranked.</param>
/// <param name="Zeroed">Those that were set to zero.</param>
/// <param name="WeightsZeroed">Weights in them.</param>
/// <param name="Weights">Parameters of the model.</param>
/// <param name="Filters">Filters of the ranked layers.</param>
/// <param name="EmptyFilters">Those of which no kernel is left.</param>
/// <param name="Layers">Ranked layers, with the share of their kernels that is zero.</param>
internal sealed record KernelCount(long Kernels, long Zeroed, long WeightsZeroed, long Weights, long Filters, long EmptyFilters, IReadOnlyList<(string Layer, double Share)> Layers)
{
    /// <summary>Parameters / parameters that are not zero: the compression if zeros took no space and their places neither.</summary>
    public double SparseCompression => (double)Weights / (Weights - WeightsZeroed);
}

/// <summary>
/// The other reading of "global kernel level": single kernels W[o, i, :, :] of all convolutions are ranked in one list and the lowest set to zero. No tensor
/// gets smaller by that unless a whole filter, or all that reads a channel, is zero.
/// </summary>
internal sealed class KernelRanking
{
    private readonly DependencyGraph _graph;
    private readonly List<(TracedLayer Layer, Tensor Weight, int OutputAxis)> _layers = [];
    private readonly long _parameters;

    /// <summary>Takes all convolutions of a traced detector, or those with larger kernels than 1 × 1.</summary>
    public KernelRanking(MaskRcnnModel model, DependencyGraph graph, bool onlyLarge = false)
    {
        _graph = graph;
        var weights = model.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter, StringComparer.Ordinal);
        _parameters = weights.Values.Sum(weight => weight.numel());
        foreach (var layer in graph.Layers.Where(layer => layer.IsPrunable && LayerScopes.HasFilters(layer)))
        {
            // [out, in, k, k]; a transposed convolution's lies as [in, out, k, k].
            if (weights.GetValueOrDefault(layer.Name + ".weight") is { } weight && weight.dim() == 4 && (!onlyLarge || weight.shape[2] * weight.shape[3] > 1))
                _layers.Add((layer, weight, layer.Kind.Contains("Transpose", StringComparison.Ordinal) ? 1 : 0));
        }
    }

    /// <summary>Sets the lowest kernels to zero, in place; ties go in the order of the layers.</summary>
    /// <param name="ratio">The share of the kernels, from 0 up to 1.</param>
    /// <param name="measure">How they are ranked.</param>
    public KernelCount Zero(double ratio, KernelMeasure measure)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var norms = _layers.Select(entry => Norms(entry.Weight, measure)).ToList();                // [O·I] each
        var all = cat([.. norms.Select(norm => norm.reshape(-1))]);
        var count = (long)Math.Round(all.numel() * ratio, MidpointRounding.AwayFromZero);
        var gone = zeros(all.numel(), dtype: ScalarType.Bool);
        if (count > 0)
            gone.index_fill_(0, all.argsort(dim: 0, descending: false)[..(int)count], true);

        var (at, weightsZeroed, filters, empty) = (0L, 0L, 0L, 0L);
        var shares = new List<(string, double)>();
        for (var i = 0; i < _layers.Count; i++)
        {
            var (layer, weight, outputs) = _layers[i];
            var shape = norms[i].shape;
            var mask = gone.narrow(0, at, norms[i].numel()).reshape(shape);                         // [O, I] or [I, O]
            at += norms[i].numel();
            weight.masked_fill_(mask.unsqueeze(-1).unsqueeze(-1), 0);
            weightsZeroed += mask.sum().item<long>() * weight.shape[2] * weight.shape[3];
            filters += shape[outputs];
            empty += mask.all(1 - outputs).sum().item<long>();
            shares.Add((layer.Name, mask.to(float32).mean().item<float>()));
        }

        return new KernelCount(all.numel(), count, weightsZeroed, _parameters, filters, empty, shares);
    }

    /// <summary>
    /// The channel groups that a cut can take from a model with zero kernels: nothing makes them (all filters of the group are zero), or nothing reads them
    /// (all weights of its readers are). The first leaves a constant where a norm or a bias follows, so only the second changes no output.
    /// </summary>
    /// <returns>Group indices: without maker, without reader.</returns>
    public (IReadOnlySet<int> Unmade, IReadOnlySet<int> Unread) DeadGroups(MaskRcnnModel model)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var parameters = model.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter, StringComparer.Ordinal);
        var alive = new Dictionary<(string, ChannelAxis), bool[]>();
        foreach (var layer in _graph.Layers.Where(LayerScopes.HasFilters))
        {
            if (parameters.GetValueOrDefault(layer.Name + ".weight") is not { } weight || weight.dim() is not (2 or 4))
                continue;
            var transposed = layer.Kind.Contains("Transpose", StringComparison.Ordinal);
            var used = weight.detach().ne(0).reshape(weight.shape[0], weight.shape[1], -1).any(2);   // [O, I] or [I, O]
            alive[(layer.Name, ChannelAxis.Output)] = used.any(transposed ? 0 : 1).data<bool>().ToArray();
            alive[(layer.Name, ChannelAxis.Input)] = used.any(transposed ? 1 : 0).data<bool>().ToArray();
        }

        bool Dead(ChannelGroup group, ChannelAxis axis)
        {
            var known = group.Members.Where(member => member.Axis == axis && alive.ContainsKey((member.Layer, axis))).ToList();
            return group.Pin is null && known.Count > 0 && known.TrueForAll(member => !alive[(member.Layer, axis)][member.Channel]);
        }

        return (_graph.Groups.Where(group => Dead(group, ChannelAxis.Output)).Select(group => group.Index).ToHashSet(),
            _graph.Groups.Where(group => Dead(group, ChannelAxis.Input)).Select(group => group.Index).ToHashSet());
    }

    private static Tensor Norms(Tensor weight, KernelMeasure measure)
    {
        using var scope = NewDisposeScope();
        var kernels = weight.detach().abs().reshape(weight.shape[0], weight.shape[1], -1);
        return (measure == KernelMeasure.Mean ? kernels.mean([2]) : kernels.sum(2)).MoveToOuterDisposeScope();
    }
}
