using FilterPruning.Benchmarks.Goals;
using FilterPruning.Kernels;

namespace FilterPruning.Benchmarks.Scoring;

/// <summary>
/// One weight's norms by this library and by every peer that can do them, in turn. Peers of libtorch give a tensor and meet the call that gives one; peers on arrays fill or make an array and meet
/// the call that fills a span.
/// </summary>
internal sealed class PeerContest : IDisposable
{
    // Each turn takes about this long, so that the clock does not matter.
    private const double TurnMilliseconds = 0.3;

    private readonly NormCase _norm;
    private readonly int _p;
    private readonly Tensor _weight;
    private readonly float[] _norms;
    private readonly List<(string Name, bool OnArrays, Action Work)> _peers = [];

    public PeerContest(NormCase norm, int p)
    {
        (_norm, _p) = (norm, p);
        _weight = norm.Make();
        _norms = new float[norm.Shape.Sizes[norm.Axis]];
        var axes = norm.OtherAxes;
        _peers.Add(("linalg.vector_norm", false, () => linalg.vector_norm(_weight, p, axes).Dispose()));
        _peers.Add((p == 1 ? "abs().sum()" : p == 2 ? "square().sum().sqrt()" : "abs().pow().sum().pow()", false, () =>
        {
            using var scope = NewDisposeScope();
            _ = p == 1 ? _weight.abs().sum(axes) : p == 2 ? _weight.square().sum(axes).sqrt() : _weight.abs().pow(p).sum(axes).pow(1.0 / p);
        }
        ));
        if (p == 1 && norm is { Type: ScalarType.Float32, Strided: false } && (norm.Axis == 0 || norm.Shape.Sizes[0] * norm.Shape.Sizes[1] == norm.Shape.Count))
        {
            var arrays = new ArrayPeers(_weight, norm.Axis);
            _peers.Add(("a naive loop", true, () => arrays.Naive()));
            _peers.Add(("Math.NET", true, () => arrays.MathNet()));
        }
    }

    /// <summary>Our time over the best peer's, the larger of both ways to call; and which peer that was.</summary>
    public (double Ratio, string Peer) Run(int rounds)
    {
        Action[] all = [() => FilterNorms.Lp(_weight, _p, _norm.Axis).Dispose(), () => FilterNorms.Lp(_weight, _p, _norms, _norm.Axis), .. _peers.Select(peer => peer.Work)];
        int[] times = [.. all.Select(Repetitions)];
        var measured = Paired.Times(rounds, [.. all.Zip(times, (work, count) => (Action)(() => Repeat(work, count)))]);
        double[] best = [.. measured.Zip(times, (turns, count) => turns.Min() / count)];
        var peers = _peers.Select((peer, i) => (Ratio: (peer.OnArrays ? best[1] : best[0]) / best[i + 2], peer.Name));
        return peers.MaxBy(peer => peer.Ratio);
    }

    public void Dispose() => _weight.Dispose();

    private static void Repeat(Action work, int count)
    {
        for (var i = 0; i < count; i++)
            work();
    }

    private static int Repetitions(Action work)
    {
        work();
        var once = Paired.Times(2, work)[0].Min();
        return Math.Max(1, (int)(TurnMilliseconds / once));
    }
}
