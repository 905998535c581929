using FilterPruning.Graph;
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
/// Unless <see cref="SensitivityInputs"/> is 0, an error of an output counts by how much the model's answers feel it instead, so that readers and roles are weighed against each other by what they do in the end.
/// The score is what the step costs in that measure, never falling along the order, so that scores of different roles compare: <see cref="Planning.PruningScope.Global"/> removes where the next
/// channel costs the least of its readers' outputs. Use <see cref="Planning.ScoreNormalization.None"/>. Filters whose channels no layer reads as a weighted sum are ranked by their norms.
/// </para>
/// </remarks>
public sealed class ReconstructionCriterion : IPreparedCriterion
{
    private readonly ChannelScores _scores;
    private readonly SelectionCache _cache;

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
        (Sample, Noise, _scores, _cache) = (sample, noise, new ChannelScores(Name), SelectionCache.Of(sample));
    }

    /// <summary>The noise that is used unless another is given.</summary>
    public const double DefaultNoise = 0.05;

    /// <inheritdoc/>
    public string Name => "gram";

    /// <summary>Variance of a kept channel's errors as a share of its own variance.</summary>
    public double Noise { get; }

    /// <summary>What the layers of the model read.</summary>
    public CalibrationSample Sample { get; }

    /// <summary>
    /// On how many inputs it is measured how much the model's answers feel each output of each layer, by one forward with gradients and one way back for each; 0 or more. With 0, and where the forward
    /// returns nothing that has a gradient, all outputs of a layer count alike, and all readers of a role by the share that they lose.
    /// </summary>
    public int SensitivityInputs { get; init; } = 8;

    /// <inheritdoc/>
    public void Prepare(CriterionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _scores.Clear();
        if (!ReferenceEquals(context.Graph, Sample.Graph))
            throw new PruningException($"The criterion '{Name}' was given a calibration sample of another graph. Collect one for the graph that is scored.");
        var scores = new double?[context.Graph.Groups.Count];
        foreach (var (groups, stays) in Roles(context.Graph))
        {
            if (OrderOf(groups, stays, context.CancellationToken) is { } path)
                Score(groups, stays, path, scores);
        }

        _scores.SetMeasured(context.Graph, layer => [.. layer.OutputGroups.Select(group => scores[group])]);
    }

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters) => _scores.Of(filters);

    /// <summary>Who reads some groups; the caller's.</summary>
    internal ReaderList ReadersOf(IReadOnlyList<int> groups, CancellationToken cancellation) =>
        RoleReaders.Of(Sample, groups, _cache.Sensitivity(Sample, SensitivityInputs, cancellation), cancellation);

    /// <summary>In which order groups go that may; null where no reader could be measured.</summary>
    internal SelectionOrder? OrderOf(int[] groups, bool[] stays, CancellationToken cancellation) => _cache.Order(this, groups, stays, () =>
    {
        using var readers = ReadersOf(groups, cancellation);
        return readers.Count == 0 ? null : SelectionOrder.Backward(readers, stays, Noise, cancellation);
    });

    // The groups with the same sides, pinned ones included: those stay.
    private static IEnumerable<(int[] Groups, bool[] Stays)> Roles(DependencyGraph graph)
    {
        foreach (var same in graph.Roles.Where(role => role.Sides.Any(side => side.Axis == ChannelAxis.Output)).GroupBy(role => string.Join('|', role.Sides)))
        {
            int[] groups = [.. same.SelectMany(role => role.Groups).Order()];
            bool[] stays = [.. groups.Select(group => graph.Groups[group].Pin is not null)];
            if (!stays.All(stay => stay))
                yield return (groups, stays);
        }
    }

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
