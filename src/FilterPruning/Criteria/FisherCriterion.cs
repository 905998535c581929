using FilterPruning.Planning;

namespace FilterPruning.Criteria;

/// <summary>
/// The diagonal of the empirical Fisher information of a mask on each channel group (Theis et al., Faster Gaze Prediction with Dense Networks and Fisher Pruning, 2018;
/// for coupled channels: Liu et al., Group Fisher Pruning, ICML 2021). Needs data and gradients.
/// </summary>
/// <remarks>
/// <para>
/// Exactly: the group's mask m multiplies the weights of all filters of the group, in every layer; ∂loss/∂m at m = 1 is the sum over all these filters of
/// (Σ gradient × weight); the score is its square, averaged over batches, without the papers' constant factor ½. The gradient is that of a batch's loss: with batches of one sample it is the papers' per-sample
/// Fisher information; with larger ones, samples of opposite sign cancel. The papers put the mask on the activations that the group's readers see, which is the same thing
/// where nothing between the filters and their readers adds to a channel: a mask on the weights lets a bias or a norm's shift stay.
/// </para>
/// <para>
/// Every filter of a group gets the group's score, so <see cref="GroupReduction.Mean"/>, <see cref="GroupReduction.Max"/> and <see cref="GroupReduction.First"/> all give
/// it back, while <see cref="GroupReduction.Sum"/> would count it once for each filter. Unlike <see cref="TaylorCriterion"/>, filters of a group whose effects cancel score low. Gradients are taken in evaluation mode.
/// Not thread-safe while it prepares.
/// </para>
/// </remarks>
public sealed class FisherCriterion : IPreparedCriterion
{
    private readonly ICalibrationBatches _batches;
    private readonly ChannelScores _scores;

    /// <summary>Creates the criterion.</summary>
    /// <param name="batches">The data; each batch returns its loss. Batches of one sample follow the papers. It is run whenever the criterion prepares.</param>
    /// <param name="seed">Seed of everything random in the model's forward.</param>
    public FisherCriterion(ICalibrationBatches batches, int seed = 0)
    {
        ArgumentNullException.ThrowIfNull(batches);
        (_batches, Seed, _scores) = (batches, seed, new ChannelScores(Name));
    }

    /// <inheritdoc/>
    public string Name => "fisher";

    /// <summary>The seed.</summary>
    public int Seed { get; }

    /// <inheritdoc/>
    public void Prepare(CriterionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _scores.Clear();
        int[][] groups = [.. FilterScorer.Banks(context.Graph).Select(entry => entry.Layer.OutputGroups)];
        var totals = new double[context.Graph.Groups.Count];
        FilterGradients.Run(context, Name, _batches, Seed, sums =>
        {
            var masks = new double[totals.Length];
            for (var layer = 0; layer < groups.Length; layer++)
            {
                for (var filter = 0; filter < groups[layer].Length; filter++)
                    masks[groups[layer][filter]] += sums[layer][filter];
            }

            for (var group = 0; group < totals.Length; group++)
                totals[group] += masks[group] * masks[group] / _batches.Count;
        });
        _scores.Set(context.Graph, (layer, _) => [.. layer.OutputGroups.Select(group => totals[group])]);
    }

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters) => _scores.Of(filters);
}
