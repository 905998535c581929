using FilterPruning.Graph;
using FilterPruning.Kernels;
using FilterPruning.Layers;
using FilterPruning.Planning;
using TorchSharp.Modules;

namespace FilterPruning.Criteria;

/// <summary>
/// The magnitude of the scale γ of the norm that follows a filter (Liu et al., Learning Efficient Convolutional Networks through Network Slimming, ICCV 2017). Needs the traced
/// model, but no data.
/// </summary>
/// <remarks>
/// <para>
/// Meant for models that were trained with a penalty on the scales, which drives those of unneeded channels to 0. Norms are batch norms (frozen ones too) and instance norms
/// with a scale for each channel. The norm of a filter is the one in its channel group that its layer feeds; where the layer feeds several (a concatenation that is
/// normalised more than once), the mean of their magnitudes counts; where it feeds none but the group has some (a residual branch without its own norm), theirs.
/// </para>
/// <para>
/// A filter without any norm in its group has no γ. It scores its Euclidean norm relative to the mean of its layer, times the mean |γ| of the model: ranked by magnitude within its layer, and
/// neither favoured nor punished between layers. Not thread-safe while it prepares.
/// </para>
/// </remarks>
public sealed class BatchNormScaleCriterion : IPreparedCriterion
{
    private readonly ChannelScores _scores;

    /// <summary>Creates the criterion.</summary>
    public BatchNormScaleCriterion() => _scores = new ChannelScores(Name);

    /// <inheritdoc/>
    public string Name => "bn-scale";

    /// <inheritdoc/>
    /// <exception cref="PruningException">No traced norm has a scale.</exception>
    public void Prepare(CriterionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _scores.Clear();
        var graph = context.Graph;
        var norms = graph.Layers.Select(layer => (Layer: layer, Scales: Scales(layer))).Where(norm => norm.Scales is not null).ToList();
        if (norms.Count == 0)
            throw new PruningException($"The criterion '{Name}' needs norms with a scale; the traced model has none. Choose another criterion, for instance {nameof(L2Criterion)}.");

        var byGroup = norms.SelectMany(norm => norm.Scales!.Select((scale, channel) => (Group: norm.Layer.OutputGroups[channel], Norm: norm.Layer.Name, Scale: scale)))
            .ToLookup(entry => entry.Group, entry => (entry.Norm, entry.Scale));
        var feeds = graph.Edges.ToLookup(edge => edge.From, edge => edge.To, StringComparer.Ordinal);
        var mean = norms.Average(norm => norm.Scales!.Average());
        _scores.Set(graph, (layer, bank) =>
        {
            var fed = feeds[layer.Name].ToHashSet(StringComparer.Ordinal);
            var magnitudes = new Lazy<double[]>(() => RelativeMagnitudes(bank));
            return [.. layer.OutputGroups.Select((group, channel) => Mean(byGroup[group], fed) ?? (magnitudes.Value[channel] * mean))];
        });
    }

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters) => _scores.Of(filters);

    private static double? Mean(IEnumerable<(string Norm, double Scale)> norms, HashSet<string> fed)
    {
        var own = norms.Where(norm => fed.Contains(norm.Norm)).Select(norm => norm.Scale).DefaultIfEmpty(double.NaN).Average();
        var any = double.IsNaN(own) ? norms.Select(norm => norm.Scale).DefaultIfEmpty(double.NaN).Average() : own;
        return double.IsNaN(any) ? null : any;
    }

    /// <summary>|γ| of each channel, or null for a layer that is no norm or has no scale.</summary>
    private static double[]? Scales(TracedLayer layer)
    {
        // A rule that names a running mean describes a batch norm, whatever its class.
        if (layer.Mapping != ChannelMapping.ChannelWise || (layer.Module is not NormBase && layer.Rule.InputOffset(layer.Module) is null))
            return null;
        var scale = layer.Rule.Tensors(layer.Module).FirstOrDefault(tensor => tensor.Name == "weight" && tensor.OutputAxis == 0)?.Tensor;
        if (scale is null || scale.dim() != 1 || scale.shape[0] != layer.OutputChannels || layer.OutputChannels == 0)
            return null;
        using var scope = NewDisposeScope();
        return [.. scale.detach().to(float64).abs().cpu().data<double>()];
    }

    private static double[] RelativeMagnitudes(FilterBank bank)
    {
        using var norms = NormCriterion.Score(bank, FilterNorms.L2);
        return ScoreNormalizer.Apply([.. norms.data<float>().Select(norm => (double)norm)], ScoreNormalization.Mean, bank.LayerName);
    }
}
