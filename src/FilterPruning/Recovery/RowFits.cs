using FilterPruning.Graph;

namespace FilterPruning.Recovery;

/// <summary>The sums of one fit, split into rows to fit on and rows held out to choose the ridge with.</summary>
internal sealed class RowFits : IDisposable
{
    private readonly RidgeFit _heldOut;
    private readonly RidgeFit _training;
    private readonly double _heldOutShare;
    private readonly bool _choose;
    private RidgeFit? _all;

    public RowFits(int kept, int channels, bool intercept, double heldOutShare, bool choose, bool energies = false)
    {
        _training = new RidgeFit(kept, channels, intercept, energies);
        _heldOut = new RidgeFit(kept, channels, intercept, energies);
        _heldOutShare = heldOutShare;
        _choose = choose;
    }

    /// <summary>The sums over all rows; valid once <see cref="BestRidge"/> has been called.</summary>
    public RidgeFit All => _all ?? throw new InvalidOperationException("The ridge has not been chosen yet.");

    /// <summary>Adds the rows of calls, x <c>[rows, kept]</c> and y <c>[rows, channels]</c>; calls are held out whole, so that neighbouring positions do not vouch for each other.</summary>
    public void AddAll(int calls, Func<int, (Tensor X, Tensor Y)> rowsOf)
    {
        var every = (int)Math.Round(1 / _heldOutShare);
        for (var call = 0; call < calls; call++)
        {
            using var scope = NewDisposeScope();
            var (x, y) = rowsOf(call);
            if (x.shape[0] == 0)
                continue;
            if (!_choose)
                _training.Add(x, y);
            else if (calls >= every)
                (call % every == every - 1 ? _heldOut : _training).Add(x, y);
            else
                AddSplit(x, y);
        }
    }

    /// <summary>The ridge whose map predicts the held-out rows best, weighed with a metric <c>[channels, channels]</c> or all channels alike.</summary>
    public double BestRidge(IReadOnlyList<double> ridges, Tensor? metric)
    {
        var best = ridges[0];
        if (_choose && _heldOut.Rows > 0 && _training.Rows > 0)
        {
            // From strong to weak, as long as it gets better: the error over the ridge has one valley.
            var least = double.PositiveInfinity;
            foreach (var ridge in ridges.OrderDescending())
            {
                using var scope = NewDisposeScope();
                var error = double.IsInfinity(ridge) ? _heldOut.Energy(metric) : _heldOut.Residual(_training.Solve(ridge), metric);
                if (error > least)
                    break;
                (least, best) = (error, ridge);
            }
        }

        _training.Add(_heldOut);
        _all = _training;
        return best;
    }

    public void Dispose()
    {
        _training.Dispose();
        _heldOut.Dispose();
    }

    // Too few calls to hold one out: the last rows of each are.
    private void AddSplit(Tensor x, Tensor y)
    {
        var count = x.shape[0];
        var heldOut = (long)(count * _heldOutShare);
        _training.Add(x.narrow(0, 0, count - heldOut), y.narrow(0, 0, count - heldOut));
        if (heldOut > 0)
            _heldOut.Add(x.narrow(0, count - heldOut, heldOut), y.narrow(0, count - heldOut, heldOut));
    }
}
