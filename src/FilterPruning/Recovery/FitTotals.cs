namespace FilterPruning.Recovery;

/// <summary>Sums what the fits of a layer's blocks achieved.</summary>
internal sealed class FitTotals
{
    private double _energy;
    private double _before;
    private double _after;
    private double _refined = 1;
    private int _refinements;

    public double Before => _energy > 0 ? _before / _energy : 0;

    public double After => _energy > 0 ? _after * _refined / Math.Max(1, _refinements) / _energy : 0;

    public double Ridge { get; private set; }

    public long Rows { get; private set; }

    public void Add(RidgeFit fit, Tensor map, Tensor kept, Tensor metric, double ridge, bool intercept)
    {
        using var scope = NewDisposeScope();
        var untouched = zeros_like(map);
        var count = kept.shape[0];
        untouched.narrow(0, 0, count).copy_(eye(metric.shape[0], dtype: float64).index_select(0, kept));
        _energy += fit.Energy(metric);
        _before += fit.Residual(untouched, metric);
        _after += fit.Residual(map, metric);
        Ridge = Math.Max(Ridge, ridge);
        Rows = Math.Max(Rows, fit.Rows);
    }

    /// <summary>A later fit of a block left this share of the error.</summary>
    public void Refine(double left, bool first)
    {
        _refined = first ? left : _refined + left;
        _refinements++;
    }
}
