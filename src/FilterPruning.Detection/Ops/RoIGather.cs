using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FilterPruning.Detection.Ops;

/// <summary>Pools one RoI from one plane after the other; the lanes of a vector are eight bin rows.</summary>
/// <remarks>
/// First every column that the RoI reads becomes one vector, the sums of its cells for eight bin rows: a cell is read once and multiplied by its
/// eight row weights (most of them zero, which costs less than telling them apart). Then bin columns are sums of those vectors. So a cell
/// that is infinite or undefined spoils eight bin rows, not only those that touch it.
/// One instance serves one thread.
/// </remarks>
internal sealed unsafe class RoIGather
{
    /// <summary>Bin rows that are pooled together.</summary>
    private const int Lanes = 8;

    private readonly RoIPlan _plan;
    private readonly FeatureMap _map;

    // Set by SetColumns: the columns that are read, and for each entry of the plan which of them it means.
    private readonly int[] _columns, _slotOfColumn;
    private int _columnCount;
    private int _roi;

    // Set by SetRows: where the rows that are read begin in a plane, and their weights [row][lane].
    private readonly int[] _rows, _indexOfRow;
    private readonly float[] _rowWeights;
    private int _rowCount;
    private int _firstBin;

    private readonly int[] _slots;
    private readonly float[] _sums;
    private readonly float[] _pooled;

    public RoIGather(RoIPlan plan, FeatureMap map)
    {
        (_plan, _map) = (plan, map);
        (_columns, _slotOfColumn, _slots) = (new int[map.Width + 3], new int[map.Width], new int[plan.MostColumnEntries]);
        (_rows, _indexOfRow) = (new int[map.Height], new int[map.Height]);
        _rowWeights = new float[map.Height * Lanes];
        _sums = new float[(map.Width + 3) * Lanes];
        _pooled = new float[plan.Sampling.OutputWidth * Lanes];
    }

    /// <summary>Pools a range of channels of one RoI.</summary>
    /// <param name="k">The RoI.</param>
    /// <param name="image">Its image <c>[C, H, W]</c>.</param>
    /// <param name="firstChannel">The first channel.</param>
    /// <param name="endChannel">The channel after the last.</param>
    /// <param name="output">The RoI's result <c>[C, oh, ow]</c>.</param>
    public void PoolChannels(int k, float* image, int firstChannel, int endChannel, float* output)
    {
        var plane = (long)_map.Height * _map.Width;
        SetColumns(k);
        for (var bin = 0; bin < _plan.Sampling.OutputHeight; bin += Lanes)
        {
            SetRows(k, bin);
            for (var c = firstChannel; c < endChannel; c++)
                Pool(image + c * plane, output + (long)c * _plan.Sampling.Bins);
        }
    }

    /// <summary>Turns to RoI <paramref name="k"/>.</summary>
    private void SetColumns(int k)
    {
        _roi = k;
        _columnCount = 0;
        var first = _plan.Rois[k].FirstColumn;
        var entries = Entries(_plan.ColumnStart, k, 0, _plan.Sampling.OutputWidth, _plan.Sampling.OutputWidth);
        Array.Fill(_slotOfColumn, -1, 0, _plan.Rois[k].Columns);
        for (var e = entries.Start.Value; e < entries.End.Value; e++)
        {
            ref var slot = ref _slotOfColumn[_plan.Index[e]];
            if (slot < 0)
            {
                slot = _columnCount;
                _columns[_columnCount++] = first + _plan.Index[e];
            }

            _slots[e - entries.Start.Value] = slot;
        }

        // Columns are summed four at a time: repeat the last one.
        for (var i = 0; i < 3 && _columnCount > 0; i++)
            _columns[_columnCount + i] = _columns[_columnCount - 1];
    }

    /// <summary>Turns to the eight bin rows of the current RoI that begin with <paramref name="firstBin"/>.</summary>
    private void SetRows(int k, int firstBin)
    {
        _firstBin = firstBin;
        _rowCount = 0;
        var bins = Math.Min(Lanes, _plan.Sampling.OutputHeight - firstBin);
        Array.Fill(_indexOfRow, -1);
        for (var lane = 0; lane < bins; lane++)
        {
            var entries = Entries(_plan.RowStart, k, firstBin + lane, 1, _plan.Sampling.OutputHeight);
            for (var e = entries.Start.Value; e < entries.End.Value; e++)
            {
                ref var row = ref _indexOfRow[_plan.Index[e]];
                if (row < 0)
                {
                    row = _rowCount;
                    _rows[_rowCount++] = _plan.Index[e] * _map.Width;
                    _rowWeights.AsSpan(row * Lanes, Lanes).Clear();
                }

                _rowWeights[row * Lanes + lane] += _plan.Weight[e];
            }
        }
    }

    /// <summary>Pools the current bin rows of the current RoI.</summary>
    /// <param name="plane">The channel's plane <c>[H, W]</c>.</param>
    /// <param name="output">The channel's result <c>[oh, ow]</c>; the current bin rows are written.</param>
    private void Pool(float* plane, float* output)
    {
        fixed (float* sums = _sums, rowWeights = _rowWeights, pooled = _pooled)
        fixed (int* rows = _rows, columns = _columns)
        {
            for (var j = 0; j < _columnCount; j += 4)
                SumFourColumns(plane, columns + j, rows, rowWeights, _rowCount, sums + j * Lanes);
            SumColumns(sums, pooled);
            Transpose(pooled, output + _firstBin * _plan.Sampling.OutputWidth);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SumFourColumns(float* plane, int* columns, int* rows, float* rowWeights, int rowCount, float* sums)
    {
        Vector256<float> sum0 = default, sum1 = default, sum2 = default, sum3 = default;
        float* column0 = plane + columns[0], column1 = plane + columns[1], column2 = plane + columns[2], column3 = plane + columns[3];
        for (var r = 0; r < rowCount; r++)
        {
            var weight = Vector256.Load(rowWeights + r * Lanes);
            var row = rows[r];
            sum0 = Vector256.MultiplyAddEstimate(weight, Vector256.Create(column0[row]), sum0);
            sum1 = Vector256.MultiplyAddEstimate(weight, Vector256.Create(column1[row]), sum1);
            sum2 = Vector256.MultiplyAddEstimate(weight, Vector256.Create(column2[row]), sum2);
            sum3 = Vector256.MultiplyAddEstimate(weight, Vector256.Create(column3[row]), sum3);
        }

        sum0.Store(sums);
        sum1.Store(sums + Lanes);
        sum2.Store(sums + 2 * Lanes);
        sum3.Store(sums + 3 * Lanes);
    }

    private void SumColumns(float* sums, float* pooled)
    {
        var ow = _plan.Sampling.OutputWidth;
        var starts = _plan.ColumnStart.AsSpan(_roi * (ow + 1), ow + 1);
        var origin = starts[0];
        fixed (float* weights = _plan.Weight)
        fixed (int* slots = _slots)
        {
            for (var pw = 0; pw < ow; pw++)
            {
                var sum = Vector256<float>.Zero;
                for (var e = starts[pw]; e < starts[pw + 1]; e++)
                    sum = Vector256.MultiplyAddEstimate(Vector256.Create(weights[e]), Vector256.Load(sums + slots[e - origin] * Lanes), sum);
                sum.Store(pooled + pw * Lanes);
            }
        }
    }

    // [ow][lane] to [lane][ow]
    private void Transpose(float* pooled, float* output)
    {
        var ow = _plan.Sampling.OutputWidth;
        var bins = Math.Min(Lanes, _plan.Sampling.OutputHeight - _firstBin);
        for (var lane = 0; lane < bins; lane++)
        {
            for (var pw = 0; pw < ow; pw++)
                *output++ = pooled[pw * Lanes + lane];
        }
    }

    private static Range Entries(int[] starts, int k, int bin, int count, int bins) => starts[k * (bins + 1) + bin]..starts[k * (bins + 1) + bin + count];
}
