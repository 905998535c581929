using System.Numerics;
using System.Runtime.InteropServices;

namespace FilterPruning.Detection.Ops;

/// <summary>Greedy non-maximum suppression over boxes held in plain arrays.</summary>
/// <remarks>
/// Arithmetic and comparisons follow the CPU kernel of torchvision 0.14.1 (<c>csrc/ops/cpu/nms_kernel.cpp</c>) operation by operation in the
/// boxes' own precision, so that the same boxes survive.
/// </remarks>
internal static class NmsKernel
{
    /// <summary>The order of descending scores; equal scores keep their order, NaN comes first (as torch sorts).</summary>
    public static int[] DescendingOrder(ReadOnlySpan<double> scores)
    {
        var keys = new (ulong Key, int Index)[scores.Length];
        for (var i = 0; i < keys.Length; i++)
            keys[i] = (DescendingKey(scores[i]), i);
        Array.Sort(keys);
        return Array.ConvertAll(keys, key => key.Index);
    }

    /// <summary>Positions (into <paramref name="order"/>'s values) of the boxes that survive, in the given order.</summary>
    /// <param name="boxes">Row-major <c>[n, 4]</c>, x1, y1, x2, y2.</param>
    /// <param name="order">Indices of the boxes to look at, best first.</param>
    /// <param name="iouThreshold">A box goes when its IoU with a better survivor is larger than this.</param>
    /// <returns>The surviving indices, best first.</returns>
    public static List<int> Run<T>(ReadOnlySpan<T> boxes, ReadOnlySpan<int> order, double iouThreshold)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        var n = order.Length;
        var sorted = new Columns<T>(boxes, order);
        var suppressed = new bool[n];
        var threshold = LargestNotAbove<T>(iouThreshold);
        var kept = new List<int>();
        for (var i = 0; i < n; i++)
        {
            if (suppressed[i])
                continue;
            kept.Add(order[i]);
            sorted.Suppress(i, threshold, suppressed);
        }

        return kept;
    }

    // Sorts ascending where scores descend. Both zeros are one value; every NaN is larger than any number.
    private static ulong DescendingKey(double score)
    {
        if (double.IsNaN(score))
            return 0;
        var bits = BitConverter.DoubleToUInt64Bits(score + 0.0);
        var ascending = (bits >> 63) != 0 ? ~bits : bits | (1UL << 63);
        return ~ascending;
    }

    // For x of type T, "(double)x > threshold" and "x > LargestNotAbove(threshold)" are the same.
    private static T LargestNotAbove<T>(double threshold)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        var rounded = T.CreateChecked(threshold);
        return double.CreateChecked(rounded) > threshold ? T.BitDecrement(rounded) : rounded;
    }

    private readonly struct Columns<T>
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        private readonly T[] _x1, _y1, _x2, _y2, _area;

        public Columns(ReadOnlySpan<T> boxes, ReadOnlySpan<int> order)
        {
            _x1 = new T[order.Length];
            _y1 = new T[order.Length];
            _x2 = new T[order.Length];
            _y2 = new T[order.Length];
            _area = new T[order.Length];
            for (var i = 0; i < order.Length; i++)
            {
                var box = boxes.Slice(order[i] * 4, 4);
                _x1[i] = box[0];
                _y1[i] = box[1];
                _x2[i] = box[2];
                _y2[i] = box[3];
                _area[i] = (box[2] - box[0]) * (box[3] - box[1]);
            }
        }

        /// <summary>Marks every later box whose IoU with box <paramref name="i"/> is above the threshold.</summary>
        public void Suppress(int i, T threshold, bool[] suppressed)
        {
            var lanes = Vector<T>.Count;
            Vector<T> x1 = new(_x1[i]), y1 = new(_y1[i]), x2 = new(_x2[i]), y2 = new(_y2[i]), area = new(_area[i]), limit = new(threshold);
            var j = i + 1;
            for (; j + lanes <= suppressed.Length; j += lanes)
            {
                var width = Positive(Least(x2, new Vector<T>(_x2, j)) - Largest(x1, new Vector<T>(_x1, j)));
                var height = Positive(Least(y2, new Vector<T>(_y2, j)) - Largest(y1, new Vector<T>(_y1, j)));
                var inter = width * height;
                // 0 / x is 0 or NaN: neither is above a threshold that is not negative.
                if (threshold >= T.Zero && Vector.EqualsAll(inter, Vector<T>.Zero))
                    continue;
                var over = Vector.GreaterThan(inter / (area + new Vector<T>(_area, j) - inter), limit);
                if (over.Equals(Vector<T>.Zero))
                    continue;
                for (var lane = 0; lane < lanes; lane++)
                    suppressed[j + lane] |= over[lane] != T.Zero;
            }

            for (; j < suppressed.Length; j++)
                suppressed[j] |= Iou(i, j) > threshold;
        }

        private T Iou(int i, int j)
        {
            var width = Positive(Least(_x2[i], _x2[j]) - Largest(_x1[i], _x1[j]));
            var height = Positive(Least(_y2[i], _y2[j]) - Largest(_y1[i], _y1[j]));
            var inter = width * height;
            return inter / (_area[i] + _area[j] - inter);
        }

        // std::max and std::min: comparisons, so that NaN is treated as in C++.
        private static T Largest(T a, T b) => a < b ? b : a;

        private static T Least(T a, T b) => b < a ? b : a;

        private static T Positive(T a) => T.Zero < a ? a : T.Zero;

        private static Vector<T> Largest(Vector<T> a, Vector<T> b) => Vector.ConditionalSelect(Vector.LessThan(a, b), b, a);

        private static Vector<T> Least(Vector<T> a, Vector<T> b) => Vector.ConditionalSelect(Vector.LessThan(b, a), b, a);

        private static Vector<T> Positive(Vector<T> a) => Vector.ConditionalSelect(Vector.GreaterThan(a, Vector<T>.Zero), a, Vector<T>.Zero);
    }
}
