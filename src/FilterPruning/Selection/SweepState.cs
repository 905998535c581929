using System.Numerics;
using System.Runtime.InteropServices;

namespace FilterPruning.Selection;

/// <summary>
/// The symmetric sweep of two matrices at once: which channels predict a target, and what each would add or has to be paid for.
/// </summary>
/// <remarks>
/// <para>
/// With H the second moments of the channels as they are seen and P their cross moments with the target, let K be the channels in use and C the matrix whose rows are, for a channel in use, its
/// coefficients H_KK⁻¹P_K, and for any other, what of its cross moment the ones in use leave. The state is A = sweep(H) on K and B = C·Cᵀ. Its diagonals say everything: B_jj / A_jj is what channel j
/// would add to the explained energy (A_jj is the variance that the others leave of it), and for one in use, where A_jj = −(H_KK⁻¹)_jj, the quotient is minus what its removal costs: the saliency of optimal brain
/// surgery (Hassibi and Stork, 1993), after which all others are refitted.
/// </para>
/// <para>
/// Taking a channel in or out changes both matrices by a rank-2 update at most: with a and b the channel's columns, d = A_jj, and a' = a with sign(d) less at j,
/// A ← A − a'a'ᵀ/d and B ← B − (a'bᵀ + ba'ᵀ)/d + a'a'ᵀ·B_jj/d², A_jj ← −1/d. Updates are gathered in a panel and applied by one matrix product, so that nearly all work is BLAS 3 (as in blocked pivoted
/// Cholesky, LAPACK's <c>dpstrf</c>); diagonals are kept up to date one by one.
/// </para>
/// </remarks>
internal sealed class SweepState : IDisposable
{
    private const int PanelWidth = 64;

    private readonly double[][] _u = new double[PanelWidth][];
    private readonly double[][] _v = new double[PanelWidth][];
    private readonly double[] _sign = new double[PanelWidth];
    private readonly int[] _slotOf;
    private Tensor _a;
    private Tensor _b;
    private int[] _channelAt;
    private double[] _diagonalA;
    private double[] _diagonalB;
    private int _pending;
    private int _dropped;

    /// <summary>Takes ownership of two symmetric float64 matrices <c>[channels, channels]</c>, contiguous, on the CPU.</summary>
    public SweepState(Tensor a, Tensor b)
    {
        _a = a.DetachFromDisposeScope();
        _b = b.DetachFromDisposeScope();
        var width = (int)a.shape[0];
        _channelAt = [.. Enumerable.Range(0, width)];
        _slotOf = [.. _channelAt];
        _diagonalA = Diagonal(a);
        _diagonalB = Diagonal(b);
    }

    /// <summary>B_jj / A_jj: what a channel out of use would add; minus what the removal of one in use costs.</summary>
    public double Quotient(int channel)
    {
        var slot = _slotOf[channel];
        return _diagonalB[slot] / _diagonalA[slot];
    }

    /// <summary>Takes a channel in, or out where it is in.</summary>
    public void Sweep(int channel)
    {
        var slot = _slotOf[channel];
        var d = _diagonalA[slot];
        var sign = Math.Sign(d);
        if (sign == 0)
            throw new ArithmeticException("A channel without any variance of its own cannot be swept; the noise is too small.");
        var (u, v) = Columns(slot);
        var own = _diagonalB[slot];
        u[slot] = d - sign;
        v[slot] = own;
        var scale = 1 / Math.Sqrt(Math.Abs(d));
        var half = 0.5 * sign * own / Math.Abs(d);
        for (var i = 0; i < u.Length; i++)
        {
            u[i] *= scale;
            v[i] = (v[i] * scale) - (half * u[i]);
            var signed = sign * u[i];
            _diagonalA[i] -= signed * u[i];
            _diagonalB[i] -= 2 * signed * v[i];
        }

        _diagonalA[slot] = -1 / d;
        _diagonalB[slot] = own / (d * d);
        (_u[_pending], _v[_pending], _sign[_pending]) = (u, v, sign);
        if (++_pending == PanelWidth)
            Flush();
    }

    /// <summary>A channel is not asked about again; its row and column may be left out from now on.</summary>
    public void Drop(int channel)
    {
        _channelAt[_slotOf[channel]] = -1;
        _dropped++;
    }

    /// <summary>The entries of both matrices among a few channels, <c>[channels, channels]</c>.</summary>
    public (double[,] A, double[,] B) Block(int[] channels)
    {
        Flush();
        var (a, b) = (new double[channels.Length, channels.Length], new double[channels.Length, channels.Length]);
        var rowsA = Span(_a);
        var rowsB = Span(_b);
        var width = _channelAt.Length;
        for (var i = 0; i < channels.Length; i++)
        {
            var row = _slotOf[channels[i]];
            for (var j = 0; j < channels.Length; j++)
            {
                var column = _slotOf[channels[j]];
                a[i, j] = i == j ? _diagonalA[row] : rowsA[(row * width) + column];
                b[i, j] = i == j ? _diagonalB[row] : rowsB[(row * width) + column];
            }
        }

        return (a, b);
    }

    public void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
    }

    private static double[] Diagonal(Tensor matrix)
    {
        using var diagonal = matrix.diagonal().clone();
        return diagonal.data<double>().ToArray();
    }

    private static Span<double> Span(Tensor matrix) => MemoryMarshal.Cast<byte, double>(matrix.bytes);

    // The columns of both matrices as they are now.
    private (double[] A, double[] B) Columns(int slot)
    {
        var width = _channelAt.Length;
        var a = Span(_a).Slice(slot * width, width).ToArray();
        var b = Span(_b).Slice(slot * width, width).ToArray();
        for (var p = 0; p < _pending; p++)
        {
            var (u, v) = (_u[p], _v[p]);
            var (byU, byV) = (_sign[p] * u[slot], _sign[p] * v[slot]);
            var (mostU, mostV) = (new Vector<double>(byU), new Vector<double>(byV));
            var i = 0;
            for (; i <= width - Vector<double>.Count; i += Vector<double>.Count)
            {
                var (ui, vi) = (new Vector<double>(u, i), new Vector<double>(v, i));
                (new Vector<double>(a, i) - (mostU * ui)).CopyTo(a, i);
                (new Vector<double>(b, i) - (mostU * vi) - (mostV * ui)).CopyTo(b, i);
            }

            for (; i < width; i++)
            {
                a[i] -= byU * u[i];
                b[i] -= (byU * v[i]) + (byV * u[i]);
            }
        }

        return (a, b);
    }

    // Applies the panel, and leaves dropped channels out once they are worth the copy.
    private void Flush()
    {
        if (_pending > 0)
        {
            using var scope = NewDisposeScope();
            var u = Panel(_u);                                                      // [pending, width]
            var v = Panel(_v);
            var signed = u * tensor(_sign.AsSpan(0, _pending).ToArray(), dtype: float64).unsqueeze(1);
            _a.addmm_(signed.t(), u, 1, -1);
            var cross = signed.t().mm(v);
            _b.sub_(cross).sub_(cross.t());
            _pending = 0;
        }

        if (_dropped * 8 >= _channelAt.Length)
            LeaveOut();
    }

    private Tensor Panel(double[][] rows)
    {
        var width = _channelAt.Length;
        var flat = new double[_pending * width];
        for (var p = 0; p < _pending; p++)
            rows[p].CopyTo(flat, p * width);
        return tensor(flat, [_pending, width], dtype: float64);
    }

    private void LeaveOut()
    {
        using var scope = NewDisposeScope();
        int[] left = [.. Enumerable.Range(0, _channelAt.Length).Where(slot => _channelAt[slot] >= 0)];
        using (var index = tensor(left.Select(slot => (long)slot).ToArray(), int64))
        {
            var (a, b) = (_a.index_select(0, index).index_select(1, index).contiguous(), _b.index_select(0, index).index_select(1, index).contiguous());
            _a.Dispose();
            _b.Dispose();
            (_a, _b) = (a.DetachFromDisposeScope(), b.DetachFromDisposeScope());
        }

        _diagonalA = [.. left.Select(slot => _diagonalA[slot])];
        _diagonalB = [.. left.Select(slot => _diagonalB[slot])];
        _channelAt = [.. left.Select(slot => _channelAt[slot])];
        for (var slot = 0; slot < _channelAt.Length; slot++)
            _slotOf[_channelAt[slot]] = slot;
        _dropped = 0;
    }
}
