namespace FilterPruning.Criteria;

/// <summary>
/// First-order Taylor expansion of the loss (Molchanov et al., Importance Estimation for Neural Network Pruning, CVPR 2019, for a gate on a whole filter):
/// (Σ over the filter's weights of gradient × weight)², averaged over batches. Needs data and gradients.
/// </summary>
/// <remarks>
/// The sum is how the loss would change, to first order, without the filter; its square is blind to the direction. Each filter is judged alone, and
/// <see cref="Planning.GroupReduction"/> unites those of a group: <see cref="FisherCriterion"/> unites before squaring. Gradients are taken in evaluation mode.
/// Not thread-safe while it prepares.
/// </remarks>
public sealed class TaylorCriterion : IPreparedCriterion
{
    private readonly ICalibrationBatches _batches;
    private readonly ChannelScores _scores;

    /// <summary>Creates the criterion.</summary>
    /// <param name="batches">The data; each batch returns its loss. It is run whenever the criterion prepares.</param>
    /// <param name="seed">Seed of everything random in the model's forward.</param>
    public TaylorCriterion(ICalibrationBatches batches, int seed = 0)
    {
        ArgumentNullException.ThrowIfNull(batches);
        (_batches, Seed, _scores) = (batches, seed, new ChannelScores(Name));
    }

    /// <inheritdoc/>
    public string Name => "taylor";

    /// <summary>The seed.</summary>
    public int Seed { get; }

    /// <inheritdoc/>
    public void Prepare(CriterionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _scores.Clear();
        double[][] totals = [.. context.Filters.Select(bank => new double[bank.Count])];
        FilterGradients.Run(context, Name, _batches, Seed, sums =>
        {
            for (var layer = 0; layer < totals.Length; layer++)
            {
                for (var filter = 0; filter < totals[layer].Length; filter++)
                    totals[layer][filter] += sums[layer][filter] * sums[layer][filter] / _batches.Count;
            }
        });
        var next = 0;
        _scores.Set(context.Graph, (_, _) => totals[next++]);
    }

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters) => _scores.Of(filters);
}
