namespace FilterPruning.Recovery;

/// <summary>
/// Rebuilds all channels from the kept ones: the least-squares map with an intercept, from Gram matrices alone.
/// </summary>
/// <remarks>
/// With rows x of the kept channels and y of all dense channels, <c>[x, 1]·B ≈ y</c> is solved by <c>(G + λI)·B = C</c>, where
/// G = Σ [x,1]ᵀ[x,1] and C = Σ [x,1]ᵀy; the intercept is not shrunk. The error of a consumer with weights W is
/// tr(WᵀEW) with E = Σ (y − [x,1]B)ᵀ(y − [x,1]B), which follows from the Gram matrices too.
/// </remarks>
internal sealed class RidgeFit : IDisposable
{
    private const int WidestExact = 256;
    private const int SquareBlocks = 6;

    private readonly bool _intercept;
    private readonly Tensor _xx;
    private readonly Tensor _xy;
    private readonly Tensor? _yy;
    private double _energy;

    /// <summary>Empty sums for <paramref name="kept"/> and <paramref name="channels"/> columns; without <paramref name="energies"/> errors cannot be weighed with a metric.</summary>
    public RidgeFit(int kept, int channels, bool intercept, bool energies)
    {
        _intercept = intercept;
        var width = kept + (intercept ? 1 : 0);
        _xx = zeros(width, width, dtype: float64).DetachFromDisposeScope();
        _xy = zeros(width, channels, dtype: float64).DetachFromDisposeScope();
        _yy = energies ? zeros(channels, channels, dtype: float64).DetachFromDisposeScope() : null;
    }

    /// <summary>Rows seen.</summary>
    public long Rows { get; private set; }

    /// <summary>Adds rows: <paramref name="x"/> <c>[rows, kept]</c>, <paramref name="y"/> <c>[rows, channels]</c>.</summary>
    public void Add(Tensor x, Tensor y)
    {
        using var scope = NewDisposeScope();
        // Products of wide rows are summed in float32 within a call, as the layer itself does; sums over calls are always float64.
        var precision = x.shape[1] > WidestExact ? float32 : float64;
        var (left, right) = (x.to(precision), y.to(precision));
        var kept = left.shape[1];
        AddSquare(_xx, left);
        _xy.narrow(0, 0, kept).add_(left.t().mm(right));
        if (_intercept)
        {
            // the column of ones that the rows are thought to end in
            var sums = left.sum(dim: 0, type: ScalarType.Float64);
            _xx.narrow(0, kept, 1).narrow(1, 0, kept).add_(sums);
            _xx.narrow(1, kept, 1).narrow(0, 0, kept).add_(sums.unsqueeze(1));
            _xx.narrow(0, kept, 1).narrow(1, kept, 1).add_(left.shape[0]);
            _xy.narrow(0, kept, 1).add_(right.sum(dim: 0, type: ScalarType.Float64));
        }

        if (_yy is not null)
            AddSquare(_yy, right);
        _energy += right.pow(2).sum(ScalarType.Float64).item<double>();
        Rows += x.shape[0];
    }

    /// <summary>Adds another fit's sums.</summary>
    public void Add(RidgeFit other)
    {
        _xx.add_(other._xx);
        _xy.add_(other._xy);
        _yy?.add_(other._yy!);
        _energy += other._energy;
        Rows += other.Rows;
    }

    /// <summary>float64 <c>[kept (+ 1), channels]</c>; the caller's.</summary>
    public Tensor Solve(double ridge)
    {
        using var system = Factor(ridge);
        return Solve(system);
    }

    /// <summary>The same with the system at hand.</summary>
    public Tensor Solve(RidgeSystem system) => system.Solve(_xy);

    /// <summary>The system with a ridge, ready to be solved for any right side; the caller's.</summary>
    public RidgeSystem Factor(double ridge)
    {
        using var scope = NewDisposeScope();
        var width = _xx.shape[0];
        var shrunk = _intercept ? width - 1 : width;
        var diagonal = _xx.diagonal();
        var energy = shrunk == 0 ? 0.0 : diagonal.narrow(0, 0, shrunk).mean().item<double>();
        var shift = full(width, ridge * energy, dtype: float64);
        if (_intercept)
            shift[width - 1] = 1e-12 * diagonal[width - 1].item<double>();
        return new RidgeSystem(_xx + diag(shift));
    }

    /// <summary>Energy of the consumer's output, weighed with <paramref name="metric"/> = W·Wᵀ <c>[channels, channels]</c>; of the channels themselves without one.</summary>
    public double Energy(Tensor? metric)
    {
        using var scope = NewDisposeScope();
        return metric is null ? _energy : (_yy! * metric).sum().item<double>();
    }

    /// <summary>Energy of what a map <paramref name="map"/> leaves unexplained, weighed likewise.</summary>
    public double Residual(Tensor map, Tensor? metric)
    {
        using var scope = NewDisposeScope();
        if (metric is null)
            return Math.Max(0, _energy + (map * (_xx.mm(map) - (2 * _xy))).sum().item<double>());
        var cross = map.t().mm(_xy);                                   // [channels, channels]
        var error = _yy! - cross - cross.t() + map.t().mm(_xx).mm(map);
        return Math.Max(0, (error * metric).sum().item<double>());
    }

    public void Dispose()
    {
        _xx.Dispose();
        _xy.Dispose();
        _yy?.Dispose();
    }

    // Adds rowsᵀ·rows to the first columns of a symmetric sum. What lies left of the diagonal is copied from what lies right of it, a block of columns at a time.
    private static void AddSquare(Tensor sum, Tensor rows)
    {
        var width = rows.shape[1];
        var step = width > WidestExact ? (width + SquareBlocks - 1) / SquareBlocks : width;
        for (long first = 0; first < width; first += step)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(step, width - first);
            var product = rows.narrow(1, first, count).t().mm(rows.narrow(1, first, width - first));     // [count, width − first]
            sum.narrow(0, first, count).narrow(1, first, width - first).add_(product);
            if (first + count < width)
                sum.narrow(0, first + count, width - first - count).narrow(1, first, count).add_(product.narrow(1, count, width - first - count).t());
        }
    }
}
