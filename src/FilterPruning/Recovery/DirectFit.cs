namespace FilterPruning.Recovery;

/// <summary>
/// Fits all weights of a block at once, from what its kernel sees in the pruned model to what the dense model made of it. The weights found channel by channel are the centre that the ridge
/// draws towards, so that a layer with few rows stays there.
/// </summary>
/// <remarks>
/// <para>
/// The target is moved by what is wrong with the other part of a residual sum, so that errors do not pile up along a stream (He, Zhang and Sun, ICCV 2017, section 3.2: residual
/// approximation). Where the sum is rectified, a place where both models are not positive counts as right. Such places change as the fit does, so it is repeated: each time the
/// target of those places is what the last fit gave there, which can only lower the loss (majorize, then minimize).
/// </para>
/// </remarks>
internal sealed class DirectFit : IDisposable
{
    private const double HeldOutShare = 0.25;
    private const int Rounds = 3;

    private readonly List<Call> _calls = [];
    private readonly Tensor _slope;
    private readonly Tensor _offset;
    private readonly bool _rectified;
    private readonly bool _intercept;

    /// <summary>Slope and offset <c>[outputs]</c> of the block's <see cref="Junction"/>; not owned.</summary>
    public DirectFit(Tensor slope, Tensor offset, bool rectified, bool intercept)
    {
        _slope = slope.to(float32);
        _offset = offset.to(float32);
        _rectified = rectified;
        _intercept = intercept;
    }

    /// <summary>The squared error that is left after the fit, in units of the layer's own output.</summary>
    public double Error { get; private set; }

    /// <summary>Rows seen.</summary>
    public long Rows => _calls.Sum(call => call.Seen.shape[0]);

    /// <summary>The ridge that was chosen; infinite when the centre was best.</summary>
    public double Ridge { get; private set; }

    /// <summary>Adds a call: what the kernel sees <c>[rows, unknowns]</c>, what the centre makes of it, what the dense model made of its own <c>[rows, outputs]</c>, and the other part of
    /// the sum in both; not owned.</summary>
    public void Add(Tensor seen, Tensor centre, Tensor dense, Tensor? shortcutDense, Tensor? shortcutPruned)
    {
        if (seen.shape[0] == 0)
            return;
        var goal = (_slope * dense) + _offset;
        var start = (_slope * centre) + _offset;
        if (shortcutDense is not null && shortcutPruned is not null)
        {
            goal = goal + shortcutDense;
            start = start + shortcutPruned;
        }

        _calls.Add(new Call(seen, goal, start));
    }

    /// <summary>What to add to the centre, with the one of some ridges that predicts held-out rows best: float64 <c>[unknowns (+ 1), outputs]</c>, null to leave it; the caller's.</summary>
    public Tensor? Solve(IReadOnlyList<double> ridges)
    {
        if (_calls.Count == 0)
            return null;
        var unknowns = (int)_calls[0].Seen.shape[1];
        var outputs = (int)_slope.shape[0];
        using var rows = new RowFits(unknowns, outputs, _intercept, HeldOutShare, choose: true);
        rows.AddAll(_calls.Count, call => (_calls[call].Seen, InOwnUnits(_calls[call].Goal - _calls[call].Start)));
        using var scope = NewDisposeScope();
        Ridge = rows.BestRidge([double.PositiveInfinity, .. ridges], metric: null);
        if (double.IsInfinity(Ridge))
        {
            Error = Loss(null);
            return null;
        }

        using var system = rows.All.Factor(Ridge);
        var map = rows.All.Solve(system);
        for (var round = 1; _rectified && round < Rounds; round++)
        {
            var right = zeros_like(map);
            foreach (var call in _calls)
            {
                using var inner = NewDisposeScope();
                var missing = Missing(call, map);
                right.narrow(0, 0, unknowns).add_(call.Seen.t().mm(missing));
                if (_intercept)
                    right.narrow(0, unknowns, 1).add_(missing.sum(dim: 0));
            }

            map = system.Solve(right);
        }

        Error = Loss(map);
        return map.MoveToOuterDisposeScope();
    }

    public void Dispose() => _calls.Clear();

    // What a map makes of the rows: float32 [rows, outputs].
    private Tensor Answers(Tensor seen, Tensor map)
    {
        var single = map.to(float32);
        return _intercept ? seen.mm(single.narrow(0, 0, seen.shape[1])).add_(single.narrow(0, seen.shape[1], 1)) : seen.mm(single);
    }

    // What the outputs lack beside the centre, in units of the layer's own output.
    private Tensor Missing(Call call, Tensor map)
    {
        var own = Answers(call.Seen, map);
        return Lacking(call, own) + own;
    }

    // What they lack beside the centre and what was added to it.
    private Tensor Lacking(Call call, Tensor? own)
    {
        var now = own is null ? call.Start : call.Start + (_slope * own);
        return InOwnUnits(_rectified ? where(call.Goal <= 0, -now.clamp_min(0), call.Goal - now) : call.Goal - now);
    }

    private Tensor InOwnUnits(Tensor error)
    {
        var moves = _slope.abs() > 1e-8;
        return where(moves, error / where(moves, _slope, ones_like(_slope)), zeros_like(error));
    }

    private double Loss(Tensor? map)
    {
        var loss = 0.0;
        foreach (var call in _calls)
        {
            using var scope = NewDisposeScope();
            loss += Lacking(call, map is null ? null : Answers(call.Seen, map)).pow(2).sum().item<float>();
        }

        return loss;
    }

    private sealed record Call(Tensor Seen, Tensor Goal, Tensor Start);
}
