using FilterPruning.Graph;
using FilterPruning.Proof;

namespace FilterPruning.Recovery;

/// <summary>One recalibration: norm after norm in data order, each on what the norms before it deliver with their new statistics. Restores the norms when it does not finish.</summary>
/// <param name="model">The model.</param>
/// <param name="norms">The norms to recalibrate.</param>
/// <param name="forwards">One action for each input.</param>
/// <param name="progress">Told after every norm; may be null.</param>
/// <param name="smallestShare">New variances are at least this share of the old ones.</param>
internal sealed class RecalibrationSession(
    nn.Module model, IReadOnlyList<TracedLayer> norms, IReadOnlyList<Action> forwards, IProgress<RepairProgress>? progress, double smallestShare = 0)
{
    private const double SmallestVariance = 1e-30;

    private readonly ForwardPasses _passes = new(forwards);

    public RecalibrationReport Run(CancellationToken cancellation)
    {
        using var quiet = new QuietRun(model, "a recalibration");
        using var copies = new TensorCopies();
        var moments = norms.ToDictionary(norm => norm, _ => new ChannelMoments());
        var finished = false;
        try
        {
            _passes.Whole(norms, null, null, cancellation);
            var reports = new List<NormRecalibration>();
            _passes.March(
                (norm, x) => moments[norm].Add(x, norm.Rule.InputAxis(norm.Module, x)),
                norm =>
                {
                    reports.Add(Settle(norm, moments[norm], copies));
                    progress?.Report(new RepairProgress(norm.Name, reports.Count, _passes.Order.Count));
                },
                cancellation);
            cancellation.ThrowIfCancellationRequested();
            reports.AddRange(norms.Except(_passes.Order).Select(norm => new NormRecalibration(norm.Name, 0, 0, 1)));
            finished = true;
            return new RecalibrationReport(reports, _passes.Inputs);
        }
        finally
        {
            if (!finished)
                copies.Restore();
            foreach (var norm in moments.Values)
                norm.Dispose();
        }
    }

    private NormRecalibration Settle(TracedLayer norm, ChannelMoments moments, TensorCopies copies)
    {
        if (moments.Count < 2)
            return new NormRecalibration(norm.Name, 0, 0, 1);
        using var scope = NewDisposeScope();
        var (mean, variance) = RunningStatistics.Of(norm.Rule, norm.Module)!.Value;
        copies.Remember(mean);
        copies.Remember(variance);
        var (oldMean, oldVariance) = (mean.detach().to(float64).cpu(), variance.detach().to(float64).cpu().clamp_min(SmallestVariance));
        var fresh = moments.UnbiasedVariance().maximum(oldVariance * smallestShare);
        var shift = ((moments.Mean - oldMean).square() / oldVariance).mean().sqrt().item<double>();
        var ratio = (fresh.clamp_min(SmallestVariance) / oldVariance).log().mean().exp().item<double>();
        mean.copy_(moments.Mean);
        variance.copy_(fresh);
        return new NormRecalibration(norm.Name, moments.Count, shift, ratio);
    }
}
