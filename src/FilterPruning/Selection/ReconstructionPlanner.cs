using System.Globalization;
using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Schedules;

namespace FilterPruning.Selection;

/// <summary>One allocation: measures every role's curve, spends the budget, chooses the channels.</summary>
internal sealed class ReconstructionPlanner
{
    private readonly DependencyGraph _graph;
    private readonly PruningOptions _options;
    private readonly AllocationOptions _allocation;
    private readonly CancellationToken _cancellation;
    private readonly ReconstructionCriterion _measure;
    private readonly PlanCandidates _candidates;
    private readonly List<PlanRole> _roles;
    private readonly int[]?[] _orders;          // indices of groups in the graph, the first goes first
    private readonly double[]?[] _lost;

    public ReconstructionPlanner(CalibrationSample sample, PruningOptions options, AllocationOptions allocation, CancellationToken cancellation)
    {
        (_graph, _options, _allocation, _cancellation) = (sample.Graph, options, allocation, cancellation);
        var own = options.Criterion as ReconstructionCriterion;
        if (own is not null && !ReferenceEquals(own.Sample, sample))
            throw new ArgumentException("The criterion was made from another calibration sample than the one given here. Give both the same.", nameof(options));
        _measure = own ?? new ReconstructionCriterion(sample);
        // The order of the reconstruction criterion is made below, with the groups in mind that the options keep; until then any cheap score does.
        var scored = _options with { Criterion = own is null ? options.Criterion : new L1Criterion(), Scope = PruningScope.Local };
        _candidates = PruningPlanner.Candidates(_graph, scored, null);
        _roles = PlanRole.Of(_graph, scored, _candidates, LayerPattern.MatchRatios(options.LayerRatios, [.. _graph.Layers.Select(layer => layer.Name)]));
        _orders = new int[_roles.Count][];
        _lost = new double[_roles.Count][];
        FollowsOrder = own is null;
    }

    /// <summary>Whether another criterion says which channels go.</summary>
    private bool FollowsOrder { get; }

    public PruningPlan Plan()
    {
        for (var role = 0; role < _roles.Count; role++)
        {
            _cancellation.ThrowIfCancellationRequested();
            Measure(role);
            _allocation.Progress?.Report(0.7 * (role + 1) / _roles.Count);
        }

        GuessUnmeasured();
        var counts = Spend();
        var removed = new bool[_graph.Groups.Count];
        for (var role = 0; role < _roles.Count; role++)
        {
            foreach (var group in Chosen(role, counts[role]))
                removed[group] = true;
            _allocation.Progress?.Report(0.8 + (0.2 * (role + 1) / _roles.Count));
        }

        return PruningPlanner.Build(_graph, _options, _candidates with { Scores = Scores() }, removed);
    }

    private void Measure(int index)
    {
        var role = _roles[index];
        if (role.Order.Length == 0)
            return;
        var path = FollowsOrder ? Along(role) : _measure.OrderOf(role.Groups, Stays(role), _cancellation);
        if (path is null)
            return;
        _orders[index] = [.. path.Order.Select(position => role.Groups[position])];
        _lost[index] = path.Lost;
    }

    private SelectionOrder? Along(PlanRole role)
    {
        using var readers = _measure.ReadersOf(role.Groups, _cancellation);
        return readers.Count == 0 ? null
            : SelectionOrder.Along(readers, role.Groups.Length, [.. role.Order.Select(group => Array.BinarySearch(role.Groups, group))], _measure.Noise, _cancellation);
    }

    private static bool[] Stays(PlanRole role)
    {
        var free = role.Order.ToHashSet();
        return [.. role.Groups.Select(group => !free.Contains(group))];
    }

    /// <summary>Roles whose readers could not be measured follow their scores, and lose what others lose on average at the same share.</summary>
    private void GuessUnmeasured()
    {
        var known = _lost.OfType<double[]>().ToList();
        for (var index = 0; index < _roles.Count; index++)
        {
            if (_lost[index] is not null || _roles[index].Order.Length == 0)
                continue;
            var length = _roles[index].Order.Length;
            _orders[index] = _roles[index].Order;
            _lost[index] = [.. Enumerable.Range(0, length + 1).Select(gone => known.Select(lost => lost[(lost.Length - 1) * gone / length] - lost[0]).DefaultIfEmpty((double)gone / length).Average())];
        }
    }

    private int[] Spend()
    {
        var start = new int[_roles.Count];
        var widths = new LayerWidths(_graph, _roles, _options);
        for (var role = 0; role < start.Length; role++)
        {
            if (_roles[role].OwnRatio is not { } ratio)
                continue;
            start[role] = _roles[role].RoundedDown(Math.Min(widths.Spare(role), _roles[role].RemovedAt((decimal)ratio)));
            widths.Remove(role, start[role]);
        }

        double[]?[] open = [.. _lost.Select((lost, role) => _roles[role].OwnRatio is null ? lost : null)];
        var cost = Cost();
        var whole = cost(new int[_roles.Count]);
        var most = _allocation.Cost is null && _options.Target is { Amount: { } amount } ? amount : whole * (_options.Target?.Share ?? (1 - _options.Ratio));
        // In binary, a share of a whole number of channels may come out a little below a whole number.
        most += 1e-9 * whole;
        var fresh = new LayerWidths(_graph, _roles, _options);
        var spending = new ErrorSpending(_roles, open, cost, fresh.Copy, _cancellation);
        return spending.Spend(start, most) ?? throw OutOfReach(most, whole);
    }

    private Func<int[], double> Cost()
    {
        var meter = new CostMeter(_graph, _roles, _options.Latency);
        if (_allocation.Cost is { } own)
        {
            if (_options.Target is { Amount: not null })
                throw new PruningOptionsException([$"{nameof(PruningOptions.Target)} is '{_options.Target}' and a cost of your own is given; allowed is a share of that cost. Use {nameof(PruningTarget)}.{nameof(PruningTarget.KeepMacsShare)}, whose measure is then not looked at."]);
            return counts => own(meter.Plans(counts));
        }

        if (_options.Target is not { Measure: not TargetMeasure.Filters and var measure })
            return counts => _roles.Sum(role => role.Order.Length) - counts.Sum();
        return QuickCost.Create(_graph, _roles, measure, _options.Latency) is { } quick ? quick.Of : counts => meter.Of(measure, counts);
    }

    /// <summary>The groups of a role that go.</summary>
    private IEnumerable<int> Chosen(int index, int count)
    {
        if (count == 0)
            return [];
        var role = _roles[index];
        int[] order = _orders[index]!;
        if (_allocation.Exchanges == 0 || FollowsOrder)
            return order.Take(count);
        using var readers = _measure.ReadersOf(role.Groups, _cancellation);
        if (readers.Count == 0)
            return order.Take(count);
        var gone = order.Take(count).ToHashSet();
        var (removed, _) = SelectionOrder.Refine(readers, Stays(role), [.. role.Groups.Select(gone.Contains)], _measure.Noise, _allocation.Exchanges, _cancellation);
        return role.Groups.Where((_, position) => removed[position]).ToList();
    }

    // What each group cost when it went; for reports.
    private double?[] Scores()
    {
        double?[] scores = [.. _candidates.Scores];
        for (var index = 0; index < _roles.Count; index++)
        {
            if (FollowsOrder || _orders[index] is not { } order || _lost[index] is not { } lost)
                continue;
            for (var i = 0; i < order.Length; i++)
                scores[order[i]] = lost[i + 1] - lost[i];
            foreach (var group in _roles[index].Groups.Except(order))
                scores[group] = lost[^1];
        }

        return scores;
    }

    private PruningOptionsException OutOfReach(double most, double whole) => new(
    [
        string.Create(
            CultureInfo.InvariantCulture,
            $"The target is at most {most:0} of {whole:0} {(_allocation.Cost is not null ? "units of the given cost" : (_options.Target?.Measure ?? TargetMeasure.Filters).ToString().ToLowerInvariant())}, and it is out of reach with everything gone that may go. ")
            + $"Ask for less, or set channels free: look at {nameof(PruningOptions.MinimumWidth)}, {nameof(PruningOptions.MaximumLayerRatio)}, {nameof(PruningOptions.Ignore)}, {nameof(PruningOptions.KeepFrozen)} and "
            + $"{nameof(PruningOptions.LayerRatios)}.",
    ]);
}
