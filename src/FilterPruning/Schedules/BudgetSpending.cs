using System.Globalization;
using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Schedules;

/// <summary>The greedy walk down the hulls of all roles' curves.</summary>
internal sealed class BudgetSpending
{
    private const int Bisections = 30;

    private readonly ScanUnits _units;
    private readonly PruningOptions _options;
    private readonly Func<int[], long> _cost;
    private readonly long _most;
    private readonly List<Curve> _curves = [];
    private int[] _counts;

    public BudgetSpending(DependencyGraph graph, ScanUnits units, SensitivityResult scan, PruningOptions options)
    {
        _units = units;
        _options = options;
        _counts = new int[units.Roles.Count];
        var byRole = scan.Points.ToLookup(point => point.Role, StringComparer.Ordinal);
        var meter = new CostMeter(graph, units.Roles, options.Latency);
        _cost = counts => options.Target is { Measure: not TargetMeasure.Filters and var measure }
            ? meter.Of(measure, counts)
            : units.Roles.Sum(role => (long)role.Order.Length) - counts.Sum();
        foreach (var unit in units.Units)
        {
            if (unit.Roles.FirstOrDefault(role => units.Roles[role].OwnRatio is not null, -1) is >= 0 and var fixedRole)
                _counts = units.At(_counts, unit, (decimal)units.Roles[fixedRole].OwnRatio!.Value);
        }

        var whole = _cost(new int[_counts.Length]);
        _most = options.Target is { Amount: { } amount } ? amount : (long)(whole * (decimal)(options.Target?.Share ?? (1 - options.Ratio)));
        foreach (var unit in units.Units.Where(unit => unit.Roles.All(role => units.Roles[role].OwnRatio is null)))
            _curves.Add(CurveOf(unit, [.. byRole[unit.Name]], scan.Baseline, whole));
    }

    /// <summary>The options with the ratios found.</summary>
    public PruningOptions Spend()
    {
        var queue = new PriorityQueue<Curve, (double Slope, int Order)>();
        for (var i = 0; i < _curves.Count; i++)
            Enqueue(queue, i, _cost(_counts));
        for (var cost = _cost(_counts); cost > _most;)
        {
            if (!queue.TryDequeue(out var curve, out var priority))
                throw OutOfReach(cost);
            // Savings shrink as neighbours are cut, so that a slope measured earlier is a lower bound: the first that is still the least now is the least.
            var order = _curves.IndexOf(curve);
            var slope = Slope(curve, cost);
            if (slope > priority.Slope && queue.TryPeek(out _, out var next) && (slope, order).CompareTo(next) > 0)
            {
                queue.Enqueue(curve, (slope, order));
                continue;
            }

            var (from, to) = (curve.Ratio, curve.Hull[curve.Next].Ratio);
            Put(curve, to);
            curve.Next++;
            cost = _cost(_counts);
            if (cost <= _most)
                StepBack(curve, from, to);
            else
                Enqueue(queue, order, cost);
        }

        return _options with { Ratio = 0, Target = null, LayerRatios = [.. Ratios(), .. _options.LayerRatios] };
    }

    private void Enqueue(PriorityQueue<Curve, (double Slope, int Order)> queue, int order, long cost)
    {
        if (_curves[order].Next < _curves[order].Hull.Count)
            queue.Enqueue(_curves[order], (Slope(_curves[order], cost), order));
    }

    /// <summary>What the next piece of a curve loses of the metric for each unit of cost that it saves now.</summary>
    private double Slope(Curve curve, long cost)
    {
        var saved = cost - _cost(_units.At(_counts, curve.Unit, curve.Hull[curve.Next].Ratio));
        var dropped = curve.Hull[curve.Next].Drop - (curve.Next == 0 ? 0 : curve.Hull[curve.Next - 1].Drop);
        return saved <= 0 ? double.MaxValue : dropped / saved;
    }

    private void Put(Curve curve, decimal ratio) => (_counts, curve.Ratio) = (_units.At(_counts, curve.Unit, ratio), ratio);

    /// <summary>The last piece goes only as far as it must.</summary>
    private void StepBack(Curve curve, decimal from, decimal to)
    {
        for (var i = 0; i < Bisections; i++)
        {
            var middle = (from + to) / 2;
            if (_cost(_units.At(_counts, curve.Unit, middle)) <= _most)
                to = middle;
            else
                from = middle;
        }

        Put(curve, to);
    }

    /// <summary>Ratios by name. Those of shared layers come first, and shorter names before longer ones, since the last that matches wins and a name covers what is inside it.</summary>
    private IEnumerable<LayerRatio> Ratios() => _curves
        .OrderBy(curve => curve.Unit.Shared ? 0 : 1)
        .SelectMany(curve => curve.Unit.Layers.Select(layer => new LayerRatio(layer, Written(curve))))
        .OrderBy(entry => _curves.Any(curve => curve.Unit.Shared && curve.Unit.Layers.Contains(entry.Pattern)) ? 0 : 1)
        .ThenBy(entry => entry.Pattern.Length);

    /// <summary>A short number that removes what the ratio removes: k of n groups is everything above (k − 1) / n up to k / n.</summary>
    private double Written(Curve curve)
    {
        if (curve.Unit.Roles.Length > 1)
            return Math.Min((double)curve.Ratio, _options.MaximumLayerRatio);
        var role = _units.Roles[curve.Unit.Roles[0]];
        var share = Math.Floor(1_000_000m * _counts[curve.Unit.Roles[0]] / role.OriginalCount) / 1_000_000;
        return (double)share;
    }

    private Curve CurveOf(ScanUnit unit, SensitivityPoint[] points, double baseline, long whole)
    {
        if (points.Length == 0 || points[0].Of != unit.Roles.Sum(role => _units.Roles[role].Groups.Length))
            throw new PruningException($"The scan does not know '{unit.Name}' with its {unit.Roles.Sum(role => _units.Roles[role].Groups.Length)} channel groups. Scan this model with these options.");
        var curve = new List<(decimal Ratio, double Saved, double Drop)> { (0, 0, 0) };
        foreach (var point in points)
        {
            var counts = _units.Alone(unit, (decimal)point.Ratio);
            var saved = whole - _cost(counts);
            if (saved > curve[^1].Saved)
                curve.Add(((decimal)point.Ratio, saved, Math.Max(curve[^1].Drop, baseline - point.Metric)));
        }

        return new Curve(unit, LowerHull(curve));
    }

    /// <summary>The lower convex hull of points in the order of their savings, without the first, by Andrew's monotone chain.</summary>
    private static List<(decimal Ratio, double Drop)> LowerHull(List<(decimal Ratio, double Saved, double Drop)> points)
    {
        var hull = new List<(decimal Ratio, double Saved, double Drop)>();
        foreach (var point in points)
        {
            while (hull.Count >= 2 && (hull[^1].Drop - hull[^2].Drop) * (point.Saved - hull[^2].Saved) >= (point.Drop - hull[^2].Drop) * (hull[^1].Saved - hull[^2].Saved))
                hull.RemoveAt(hull.Count - 1);
            hull.Add(point);
        }

        return [.. hull.Skip(1).Select(point => (point.Ratio, point.Drop))];
    }

    private PruningOptionsException OutOfReach(long least) => new(
    [
        string.Create(
            CultureInfo.InvariantCulture,
            $"The target is at most {_most} {(_options.Target?.Measure ?? TargetMeasure.Filters).ToString().ToLowerInvariant()}; allowed is {least} and more, with every role at the largest ratio that was scanned. ")
            + "Ask for less, or scan larger ratios.",
    ]);

    /// <summary>A unit's hull and how far down it the walk has come.</summary>
    private sealed class Curve(ScanUnit unit, List<(decimal Ratio, double Drop)> hull)
    {
        public ScanUnit Unit { get; } = unit;

        public List<(decimal Ratio, double Drop)> Hull { get; } = hull;

        public int Next { get; set; }

        public decimal Ratio { get; set; }
    }
}
