using System.Runtime.CompilerServices;

namespace FilterPruning.Kernels;

/// <summary>
/// A weight as the loops see it, whatever its shape and strides are: filters, in each of them runs of numbers that lie side by side, and the distances between those runs.
/// Holds no tensor and allocates nothing.
/// </summary>
internal struct FilterLayout
{
    /// <summary>Axes that a weight may have.</summary>
    private const int MaxRank = 8;

    private Dimensions _sizes;
    private Dimensions _strides;
    private int _rank;

    /// <summary>The number of filters.</summary>
    public int Filters { get; private set; }

    /// <summary>From a filter to the next, in numbers.</summary>
    public long FilterStride { get; private set; }

    /// <summary>Numbers of one filter that lie side by side: at least 1.</summary>
    public long Run { get; private set; }

    /// <summary>Runs of one filter.</summary>
    public long Runs { get; private set; }

    /// <summary>Numbers of one filter.</summary>
    public readonly long Length => Runs * Run;

    /// <summary>Whether the runs of neighbouring filters lie side by side as well.</summary>
    public readonly bool IsRowOfFilters => FilterStride == Run;

    /// <summary>Runs of one filter that follow each other at one distance.</summary>
    public readonly long Rows => _rank == 0 ? 1 : _sizes[_rank - 1];

    /// <summary>The distance of <see cref="Rows"/>, in numbers.</summary>
    public readonly long RowStride => _rank == 0 ? 0 : _strides[_rank - 1];

    /// <summary>Describes a weight.</summary>
    /// <returns>False when it has no numbers, or no numbers of a filter lie side by side nor numbers of neighbouring filters: then no loop here would be fast.</returns>
    public static bool TryOf(Tensor weight, int axis, out FilterLayout layout)
    {
        layout = default;
        var rank = (int)weight.dim();
        for (var i = 0; i < rank; i++)
        {
            // Each of these questions goes to libtorch, and costs as much as summing a hundred numbers.
            var size = weight.size(i);
            if (size == 0 || rank > MaxRank || (i == axis && size > int.MaxValue))
                return false;
            if (i == axis)
                (layout.Filters, layout.FilterStride) = ((int)size, weight.stride(i));
            else if (size > 1)
                layout.Insert(size, weight.stride(i));
        }

        layout.Join();
        layout.TakeRun();
        if (layout.Filters == 1)
            layout.FilterStride = layout.Run;
        return layout.Run > 1 || layout.FilterStride == 1;
    }

    /// <summary>Where a run begins, or a group of <see cref="Rows"/> runs, in numbers from the filter's first.</summary>
    /// <param name="index">0 … <see cref="Runs"/> − 1, or the group's.</param>
    /// <param name="groups">Whether groups are counted.</param>
    public readonly long Offset(long index, bool groups = false)
    {
        long offset = 0;
        for (var i = _rank - (groups ? 2 : 1); i >= 0; i--)
        {
            offset += index % _sizes[i] * _strides[i];
            index /= _sizes[i];
        }

        return offset;
    }

    // By falling stride, repetitions (stride 0) first: the last axis is the one whose numbers lie closest.
    private void Insert(long size, long stride)
    {
        var at = _rank++;
        for (; at > 0 && _strides[at - 1] != 0 && (_strides[at - 1] < stride || stride == 0); at--)
            (_sizes[at], _strides[at]) = (_sizes[at - 1], _strides[at - 1]);
        (_sizes[at], _strides[at]) = (size, stride);
    }

    // Two axes that lie without a gap are one.
    private void Join()
    {
        var kept = 0;
        for (var i = 1; i < _rank; i++)
        {
            if (_strides[kept] == _sizes[i] * _strides[i])
                (_sizes[kept], _strides[kept]) = (_sizes[kept] * _sizes[i], _strides[i]);
            else
                (_sizes[++kept], _strides[kept]) = (_sizes[i], _strides[i]);
        }

        _rank = Math.Min(_rank, kept + 1);
    }

    private void TakeRun()
    {
        Run = _rank > 0 && _strides[_rank - 1] == 1 ? _sizes[--_rank] : 1;
        Runs = 1;
        for (var i = 0; i < _rank; i++)
            Runs *= _sizes[i];
    }

    [InlineArray(MaxRank)]
    private struct Dimensions
    {
        private long _first;
    }
}
