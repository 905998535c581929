namespace FilterPruning.Recovery;

/// <summary>Sums what the fits of a layer's blocks achieved.</summary>
internal sealed class FitTotals
{
    private double _energy;
    private double _before;
    private double _after;

    public double Before => _energy > 0 ? _before / _energy : 0;

    public double After => _energy > 0 ? _after / _energy : 0;

    public double Ridge { get; private set; }

    public long Rows { get; private set; }

    /// <summary>A fit of all channels from the kept ones, weighed by what a consumer makes of them.</summary>
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

    /// <summary>What a call gives without any fit beside what the dense model gave, <c>[rows, outputs]</c>.</summary>
    public void AddCut(Tensor cut, Tensor dense, Tensor bias)
    {
        using var scope = NewDisposeScope();
        _energy += (dense - bias).pow(2).sum().item<float>();
        _before += (cut - dense).pow(2).sum().item<float>();
    }

    /// <summary>A direct fit to the outputs.</summary>
    public void AddFit(DirectFit fit)
    {
        _after += fit.Error;
        Ridge = Math.Max(Ridge, double.IsInfinity(fit.Ridge) ? 0 : fit.Ridge);
        Rows = Math.Max(Rows, fit.Rows);
    }
}
