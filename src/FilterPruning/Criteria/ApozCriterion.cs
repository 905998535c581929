namespace FilterPruning.Criteria;

/// <summary>
/// One minus the average percentage of zeros of a channel (Hu et al., Network Trimming, 2016): the share of its activations that are not zero,
/// 1 − Σ [a = 0] / number of a. Needs data, but no labels and no gradients.
/// </summary>
/// <remarks>
/// Measured where the channel is read: over everything that goes into the layers that consume its channel group, after the activation function, in all batches. Only
/// activation functions with exact zeros (ReLU and its kin) tell channels apart; after others, use <see cref="MeanActivationCriterion"/> or a <see cref="Threshold"/>.
/// Every filter of a group gets the group's score. Not thread-safe while it prepares.
/// </remarks>
public sealed class ApozCriterion : IPreparedCriterion
{
    private readonly ICalibrationBatches _batches;
    private readonly ChannelScores _scores;

    /// <summary>Creates the criterion.</summary>
    /// <param name="batches">The data; what the batches return is not looked at. It is run whenever the criterion prepares.</param>
    /// <param name="threshold">Activations of at most this magnitude count as zero: 0, as in the paper, or more.</param>
    /// <param name="seed">Seed of everything random in the model's forward.</param>
    /// <exception cref="ArgumentOutOfRangeException">The threshold is negative or not finite.</exception>
    public ApozCriterion(ICalibrationBatches batches, double threshold = 0, int seed = 0)
    {
        ArgumentNullException.ThrowIfNull(batches);
        if (!(threshold >= 0 && double.IsFinite(threshold)))
            throw new ArgumentOutOfRangeException(nameof(threshold), threshold, "Allowed are finite magnitudes of 0 or more.");
        (_batches, Threshold, Seed, _scores) = (batches, threshold, seed, new ChannelScores(Name));
    }

    /// <inheritdoc/>
    public string Name => "apoz";

    /// <summary>Activations of at most this magnitude count as zero.</summary>
    public double Threshold { get; }

    /// <summary>The seed.</summary>
    public int Seed { get; }

    /// <inheritdoc/>
    public void Prepare(CriterionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _scores.Clear();
        var shares = ChannelReads.Mean(context, Name, _batches, Seed, read => read.abs().gt(Threshold));
        // Channels that stay and that no layer reads (a model's output) have no zeros that anyone saw.
        _scores.Set(context.Graph, (layer, _) => [.. layer.OutputGroups.Select(group => shares[group] ?? 1)]);
    }

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters) => _scores.Of(filters);
}
