namespace FilterPruning.Criteria;

/// <summary>
/// The mean magnitude of a channel's activations (the mean-activation criterion of Molchanov et al., Pruning Convolutional Neural Networks for Resource Efficient Inference,
/// ICLR 2017): Σ |a| / number of a. Needs data, but no labels and no gradients.
/// </summary>
/// <remarks>
/// Measured where the channel is read: over everything that goes into the layers that consume its channel group, after the activation function, in all batches. The paper
/// takes the mean behind a ReLU; the magnitude is the same there, and means something behind other functions as well. Its scale differs from layer to layer: normalise
/// under <see cref="Planning.PruningScope.Global"/>. Every filter of a group gets the group's score. Not thread-safe while it prepares.
/// </remarks>
public sealed class MeanActivationCriterion : IPreparedCriterion
{
    private readonly ICalibrationBatches _batches;
    private readonly ChannelScores _scores;

    /// <summary>Creates the criterion.</summary>
    /// <param name="batches">The data; what the batches return is not looked at. It is run whenever the criterion prepares.</param>
    /// <param name="seed">Seed of everything random in the model's forward.</param>
    public MeanActivationCriterion(ICalibrationBatches batches, int seed = 0)
    {
        ArgumentNullException.ThrowIfNull(batches);
        (_batches, Seed, _scores) = (batches, seed, new ChannelScores(Name));
    }

    /// <inheritdoc/>
    public string Name => "mean-activation";

    /// <summary>The seed.</summary>
    public int Seed { get; }

    /// <inheritdoc/>
    public void Prepare(CriterionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _scores.Clear();
        var means = ChannelReads.Mean(context, Name, _batches, Seed, read => read.abs());
        // Channels that stay and that no layer reads (a model's output) score 0; they are not ranked.
        _scores.Set(context.Graph, (layer, _) => [.. layer.OutputGroups.Select(group => means[group] ?? 0)]);
    }

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters) => _scores.Of(filters);
}
