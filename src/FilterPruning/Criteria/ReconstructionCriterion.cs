using FilterPruning.Recovery;
using FilterPruning.Selection;

namespace FilterPruning.Criteria;

/// <summary>
/// Which filters the others can stand in for: those go first from whose absence all layers that read them recover best when they are refitted, in closed form, on a few unlabelled inputs. Made for
/// pruning that is followed by <see cref="LeastSquaresRepair"/>.
/// </summary>
/// <remarks>
/// <para>
/// For each role, all of its channels' readers are weighed: with G the covariance of the channels as a reader sees them and M = W·Wᵀ its weights on them, it loses
/// tr(M·(G − G_:K G_KK⁻¹ G_K:)) of its output's energy when it is refitted from the channels K. Starting with all channels, always the one goes for which the mean over the readers of
/// this loss, relative to each reader's output energy, grows least, with everything refitted after every step (optimal brain surgery, Hassibi and Stork 1993, on whole channels and on layers' outputs in
/// place of the loss). A channel that repeats others costs nothing however large it is.
/// </para>
/// <para>
/// The score is what the step costs in that measure, never falling along the order, so that scores of different roles compare: <see cref="Planning.PruningScope.Global"/> removes where the next
/// channel costs the least of its readers' outputs. Use <see cref="Planning.ScoreNormalization.None"/>. Filters whose channels no layer reads as a weighted sum are ranked by their norms.
/// </para>
/// </remarks>
public sealed class ReconstructionCriterion : IPreparedCriterion
{
    private readonly ChannelScores _scores;

    /// <summary>Creates the criterion.</summary>
    /// <param name="sample">What the layers of the model read; must be of the graph that is scored, and live until it is.</param>
    /// <param name="noise">
    /// Variance of the errors that a kept channel is taken to carry, since the layers before it are pruned too, as a share of its own variance: above 0, below 1. Larger values choose channels that bear
    /// such errors, and do not trust sums in which large parts cancel.
    /// </param>
    public ReconstructionCriterion(CalibrationSample sample, double noise = DefaultNoise)
    {
        ArgumentNullException.ThrowIfNull(sample);
        if (!(noise is > 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(noise), noise, $"The noise is {noise}; allowed is 0 < noise < 1. Leave it out to use {DefaultNoise}.");
        (Sample, Noise, _scores) = (sample, noise, new ChannelScores(Name));
    }

    /// <summary>The noise that is used unless another is given.</summary>
    public const double DefaultNoise = 0.01;

    /// <inheritdoc/>
    public string Name => "gram";

    /// <summary>Variance of a kept channel's errors as a share of its own variance.</summary>
    public double Noise { get; }

    /// <summary>What the layers of the model read.</summary>
    public CalibrationSample Sample { get; }

    /// <inheritdoc/>
    public void Prepare(CriterionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _scores.Clear();
        if (!ReferenceEquals(context.Graph, Sample.Graph))
            throw new PruningException($"The criterion '{Name}' was given a calibration sample of another graph. Collect one for the graph that is scored.");
        var scores = new double?[context.Graph.Groups.Count];
        foreach (var (_, groups, stays) in RoleSelection.Roles(context.Graph))
        {
            var readers = RoleReaders.Of(Sample, groups, cancellation: context.CancellationToken);
            try
            {
                if (readers.Count > 0)
                    Score(groups, stays, SelectionOrder.Backward(readers, stays, Noise, context.CancellationToken), scores);
            }
            finally
            {
                foreach (var reader in readers)
                    reader.Dispose();
            }
        }

        _scores.SetMeasured(context.Graph, layer => [.. layer.OutputGroups.Select(group => scores[group])]);
    }

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters) => _scores.Of(filters);

    // Scores travel in single precision; there, too, they must not be equal along the order.
    private static void Score(int[] groups, bool[] stays, SelectionOrder path, double?[] scores)
    {
        var last = 0f;
        for (var i = 0; i < path.Order.Length; i++)
        {
            last = Math.Max(MathF.BitIncrement(last), (float)(path.Lost[i + 1] - path.Lost[i]));
            scores[groups[path.Order[i]]] = last;
        }

        for (var i = 0; i < groups.Length; i++)
        {
            if (stays[i])
                scores[groups[i]] = MathF.BitIncrement(last);
        }
    }
}
