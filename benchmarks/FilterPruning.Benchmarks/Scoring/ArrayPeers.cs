using MathNet.Numerics.LinearAlgebra;

namespace FilterPruning.Benchmarks.Scoring;

/// <summary>The peers that work on arrays: a plain loop and Math.NET, for filters along axis 0 and for the channels of a matrix along axis 1.</summary>
internal sealed class ArrayPeers
{
    private readonly float[] _numbers;
    private readonly float[] _norms;
    private readonly Matrix<float> _columns;

    /// <summary>Takes a float32 weight's numbers over.</summary>
    /// <param name="weight">Contiguous, on the CPU.</param>
    /// <param name="axis">0, or 1 for a weight with one number for each pair of channels.</param>
    public ArrayPeers(Tensor weight, int axis)
    {
        _numbers = weight.data<float>().ToArray();
        _norms = new float[weight.size(axis)];
        Axis = axis;

        // Math.NET stores columns one after another, so what lies together is a column.
        var columns = (int)weight.size(0);
        _columns = Matrix<float>.Build.Dense(_numbers.Length / columns, columns, _numbers);
    }

    public int Axis { get; }

    public object MathNet() => Axis == 0 ? _columns.ColumnNorms(1) : _columns.RowNorms(1);

    public float[] Naive()
    {
        if (Axis == 0)
            NaiveRuns();
        else
            NaiveColumns();
        return _norms;
    }

    private void NaiveRuns()
    {
        var length = _numbers.Length / _norms.Length;
        for (var f = 0; f < _norms.Length; f++)
        {
            double sum = 0;
            foreach (var number in _numbers.AsSpan(f * length, length))
                sum += Math.Abs(number);
            _norms[f] = (float)sum;
        }
    }

    private void NaiveColumns()
    {
        Array.Clear(_norms);
        for (var start = 0; start < _numbers.Length; start += _norms.Length)
            for (var c = 0; c < _norms.Length; c++)
                _norms[c] += Math.Abs(_numbers[start + c]);
    }
}
