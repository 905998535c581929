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
        using var scope = NewDisposeScope();
        var (training, heldOut) = (new Batch(_training), new Batch(_heldOut));
        for (var call = 0; call < calls; call++)
        {
            var (x, y) = rowsOf(call);
            var count = x.shape[0];
            if (count == 0)
                continue;
            if (!_choose)
                training.Add(x, y);
            else if (calls >= every)
                (call % every == every - 1 ? heldOut : training).Add(x, y);
            else
            {
                // Too few calls to hold one out: the last rows of each are.
                var last = (long)(count * _heldOutShare);
                training.Add(x.narrow(0, 0, count - last), y.narrow(0, 0, count - last));
                heldOut.Add(x.narrow(0, count - last, last), y.narrow(0, count - last, last));
            }
        }

        training.Flush();
        heldOut.Flush();
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

    /// <summary>Rows on their way into a fit: one product of many rows is cheaper than many products of few.</summary>
    private sealed class Batch(RidgeFit fit)
    {
        private const int Most = 4096;

        private readonly List<Tensor> _x = [];
        private readonly List<Tensor> _y = [];
        private long _rows;

        public void Add(Tensor x, Tensor y)
        {
            if (x.shape[0] == 0)
                return;
            if (_rows + x.shape[0] > Most)
                Flush();
            _x.Add(x);
            _y.Add(y);
            _rows += x.shape[0];
        }

        public void Flush()
        {
            if (_rows == 0)
                return;
            using var scope = NewDisposeScope();
            fit.Add(_x.Count == 1 ? _x[0] : cat(_x, 0), _y.Count == 1 ? _y[0] : cat(_y, 0));
            _x.Clear();
            _y.Clear();
            _rows = 0;
        }
    }
}
