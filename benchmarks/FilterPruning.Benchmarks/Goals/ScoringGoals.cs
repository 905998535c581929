using FilterPruning.Benchmarks.Scoring;
using FilterPruning.Criteria;
using FilterPruning.Kernels;

namespace FilterPruning.Benchmarks.Goals;

/// <summary>
/// What scoring costs: against reading the same bytes, against the best peer at any shape, in allocations and in accuracy.
/// </summary>
internal sealed class ScoringGoals : IGoalSuite
{
    // The shapes that are measured beyond the cache. Smaller ones take microseconds, of which a call's fixed costs are a part.
    private const long LargeBytes = 1 << 20;

    private static readonly ScalarType[] _types = [ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16];

    public string Name => "scoring";

    public IEnumerable<GoalFigure> Measure(GoalContext context)
    {
        NormCase[] beyond = [.. WeightShape.MaskRcnn.Where(shape => shape.Count * 4 >= LargeBytes && (!context.Quick || shape.Layer is "fc6" or "head 3x3")).Select(shape => new NormCase(shape))];
        yield return Share(context, "l1.read_bandwidth_share.min", 1, beyond);
        yield return Share(context, "l1.read_bandwidth_share.two_threads.min", 1, beyond.Select(norm => norm with { Threads = 2 }));
        yield return Share(context, "l1.read_bandwidth_share.half.min", 1, beyond.Select(norm => norm with { Type = ScalarType.Float16 }));
        yield return Share(context, "l1.read_bandwidth_share.bfloat16.min", 1, beyond.Select(norm => norm with { Type = ScalarType.BFloat16 }));
        yield return Share(context, "l1.read_bandwidth_share.input_channels.min", 1, beyond.Select(norm => norm with { Axis = 1 }));
        yield return Share(context, "l1.read_bandwidth_share.strided.min", 1, beyond.Select(norm => norm with { Strided = true }));
        yield return Share(context, "l2.read_bandwidth_share.min", 2, beyond);

        NormCase[] all = [.. Everything(context.Quick)];
        foreach (var p in new[] { 1, 2, 3 })
            yield return Peers(context, p, all);
        yield return Allocations(all);
        yield return Errors(all);

        using var model = new WholeModel();
        yield return WholeModelShare(context, model, 1);
        yield return WholeModelShare(context, model, 2);
    }

    private static IEnumerable<NormCase> Everything(bool quick) =>
        from shape in WeightShape.MaskRcnn
        where !quick || shape.Count < 1 << 20
        from type in _types
        from axis in new[] { 0, 1 }
        from variant in new[] { (Strided: false, Threads: 1), (Strided: false, Threads: 2), (Strided: true, Threads: 1) }
        select new NormCase(shape, type, axis, variant.Strided, variant.Threads);

    // The least share of the read bandwidth over all cases, on weights that come from memory.
    private static GoalFigure Share(GoalContext context, string name, double p, IEnumerable<NormCase> cases)
    {
        var worst = (Share: double.PositiveInfinity, Note: "");
        foreach (var norm in cases)
        {
            set_num_threads(norm.Threads);
            using var rotation = new Rotation(norm);
            var norms = new float[norm.Shape.Sizes[norm.Axis]];
            var times = rotation.Times(context.Quick ? 30 : 200, [(weight, _) => FilterNorms.Lp(weight, p, norms, norm.Axis), .. ReadLimit.For(norm.Threads).Select(Read)]);
            var limit = times.Skip(1).Min();
            var share = limit / times[0];
            context.Say(FormattableString.Invariant($"{name} {norm}: {share:F3} of {rotation.Bytes / limit / 1e6:F1} GB/s"));
            if (share < worst.Share)
                worst = (share, FormattableString.Invariant($"least at {norm}; limit {rotation.Bytes / limit / 1e6:F1} GB/s; weights of 1 MiB and more, from memory"));
        }

        return new GoalFigure(name, worst.Share, "ratio", 0.9, true, worst.Note);
    }

    private static unsafe Action<Tensor, Tensor> Read(ReadLimit.Reader reader) => (_, plain) => reader((byte*)TensorBytes.Of(plain), plain.numel() * plain.ElementSize);

    // The largest ratio of our time to the best peer's over all cases; every weight is used again and again, as small ones are in life, and so comes from the cache where it fits.
    private static GoalFigure Peers(GoalContext context, int p, IEnumerable<NormCase> cases)
    {
        var worst = (Ratio: 0.0, Note: "");
        foreach (var norm in cases)
        {
            set_num_threads(norm.Threads);
            using var contest = new PeerContest(norm, p);
            var (ratio, peer) = contest.Run(context.Quick ? 3 : 7);
            context.Say(FormattableString.Invariant($"l{p} {norm}: {ratio:F3} of {peer}"));
            if (ratio > worst.Ratio)
                worst = (ratio, $"most at {norm}, best peer {peer}");
        }

        return new GoalFigure($"l{p}.vs_best_peer.max", worst.Ratio, "ratio", 1, false, $"{worst.Note}; ratios repeat within a few hundredths");
    }

    private static GoalFigure Allocations(IEnumerable<NormCase> cases)
    {
        long most = 0;
        foreach (var norm in cases)
        {
            set_num_threads(norm.Threads);
            using var weight = norm.Make();
            var norms = new float[norm.Shape.Sizes[norm.Axis]];
            FilterNorms.L1(weight, norms, norm.Axis);
            var before = GC.GetAllocatedBytesForCurrentThread();
            FilterNorms.L1(weight, norms, norm.Axis);
            most = Math.Max(most, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return new GoalFigure("l1.allocated_bytes", most, "B", 0, false, "managed memory of one call into a span, the most over all shapes, types, layouts and threads");
    }

    private static GoalFigure Errors(IEnumerable<NormCase> cases)
    {
        var worst = (Error: 0.0, Note: "");
        foreach (var norm in cases.Where(norm => norm.Threads == 1))
        {
            using var scope = NewDisposeScope();
            using var weight = norm.Make();
            var norms = new float[norm.Shape.Sizes[norm.Axis]];
            FilterNorms.L1(weight, norms, norm.Axis);
            var expected = weight.to(ScalarType.Float64).abs().sum(norm.OtherAxes).data<double>().ToArray();
            var error = norms.Zip(expected, (actual, right) => Math.Abs(actual - right) / right).Max();
            if (error > worst.Error)
                worst = (error, $"most at {norm}; a float's own rounding is 6e-8");
        }

        return new GoalFigure("l1.relative_error.max", worst.Error, "ratio", 1e-6, false, worst.Note);
    }

    private static GoalFigure WholeModelShare(GoalContext context, WholeModel model, int threads)
    {
        set_num_threads(threads);
        var criterion = new L1Criterion();
        var times = Paired.Times(context.Quick ? 5 : 25, [() => ModelScores.Of(model.Model, criterion), .. ReadLimit.For(threads).Select<ReadLimit.Reader, Action>(reader => () => model.Read(reader))]);
        var limit = times.Skip(1).Min(reader => reader.Min());
        return new GoalFigure(
            threads == 1 ? "score.maskrcnn_r50.vs_read" : "score.maskrcnn_r50.two_threads.vs_read", times[0].Min() / limit, "ratio", 1.15, false,
            FormattableString.Invariant($"{times[0].Min():F2} ms for {model.Bytes >> 20} MiB, read in {limit:F2} ms; {threads} thread{(threads == 1 ? "" : "s")}"));
    }
}
