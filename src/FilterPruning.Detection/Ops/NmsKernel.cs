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
    // Pairs of boxes to compare from which it pays to wake another thread.
    private const long PairsWorthThreads = 1 << 19;

    /// <summary>The order of descending scores; equal scores keep their order, NaN comes first (as torch sorts).</summary>
    public static int[] DescendingOrder(ReadOnlySpan<double> scores)
    {
        var keys = new (ulong Key, int Index)[scores.Length];
        for (var i = 0; i < keys.Length; i++)
            keys[i] = (DescendingKey(scores[i]), i);
        Array.Sort(keys);
        return Array.ConvertAll(keys, key => key.Index);
    }

    /// <summary>The same for float32 scores, in linear time.</summary>
    public static int[] DescendingOrder(ReadOnlySpan<float> scores)
    {
        var (keys, otherKeys) = (new uint[scores.Length], new uint[scores.Length]);
        var (order, otherOrder) = (new int[scores.Length], new int[scores.Length]);
        for (var i = 0; i < keys.Length; i++)
            (keys[i], order[i]) = (DescendingKey(scores[i]), i);

        // Three stable passes, eleven bits each.
        Span<int> places = stackalloc int[2048];
        for (var shift = 0; shift < 32; shift += 11)
        {
            places.Clear();
            foreach (var key in keys)
                places[(int)(key >> shift) & 2047]++;
            var sum = 0;
            foreach (ref var place in places)
                (place, sum) = (sum, sum + place);
            for (var i = 0; i < keys.Length; i++)
            {
                ref var place = ref places[(int)(keys[i] >> shift) & 2047];
                (otherKeys[place], otherOrder[place]) = (keys[i], order[i]);
                place++;
            }

            (keys, otherKeys, order, otherOrder) = (otherKeys, keys, otherOrder, order);
        }

        return order;
    }

    /// <summary>Which boxes survive.</summary>
    /// <param name="boxes">Row-major <c>[n, 4]</c>, x1, y1, x2, y2.</param>
    /// <param name="order">Indices of the boxes to look at, best first.</param>
    /// <param name="iouThreshold">A box goes when its IoU with a better survivor is larger than this.</param>
    /// <returns>The surviving indices, best first.</returns>
    public static List<int> Run<T>(ReadOnlySpan<T> boxes, ReadOnlySpan<int> order, double iouThreshold)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        var kept = new List<int>();
        var survivors = new Survivors<T>(order.Length, LargestNotAbove<T>(iouThreshold));
        foreach (var index in order)
        {
            if (survivors.TryAdd(boxes.Slice(index * 4, 4)))
                kept.Add(index);
        }

        return kept;
    }

    /// <summary>Which boxes survive within their groups.</summary>
    /// <param name="boxes">Row-major <c>[n, 4]</c>, x1, y1, x2, y2.</param>
    /// <param name="order">Indices of the boxes to look at, best first.</param>
    /// <param name="groups">The group of each box, <c>[n]</c>.</param>
    /// <param name="iouThreshold">A box goes when its IoU with a better survivor of its group is larger than this.</param>
    /// <returns>The surviving indices of all groups, best first.</returns>
    public static List<int> RunByGroup<T>(T[] boxes, int[] order, long[] groups, double iouThreshold)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        var members = ByGroup(order, groups, out var starts);
        var survives = new bool[groups.Length];
        long pairs = 0;
        for (var g = 0; g + 1 < starts.Length; g++)
            pairs += (long)(starts[g + 1] - starts[g]) * (starts[g + 1] - starts[g]);
        if (pairs >= PairsWorthThreads)
        {
            TensorMemory.For(starts.Length - 1, Suppress);
        }
        else
        {
            for (var g = 0; g + 1 < starts.Length; g++)
                Suppress(g);
        }

        var kept = new List<int>();
        foreach (var index in order)
        {
            if (survives[index])
                kept.Add(index);
        }

        return kept;

        void Suppress(int g)
        {
            foreach (var index in Run<T>(boxes, members.AsSpan(starts[g]..starts[g + 1]), iouThreshold))
                survives[index] = true;
        }
    }

    // The order, group by group, and where each group begins; one more element than groups.
    private static int[] ByGroup(int[] order, long[] groups, out int[] starts)
    {
        var numberOf = new Dictionary<long, int>();
        var number = new int[groups.Length];
        foreach (var index in order)
        {
            ref var found = ref CollectionsMarshal.GetValueRefOrAddDefault(numberOf, groups[index], out var known);
            if (!known)
                found = numberOf.Count - 1;
            number[index] = found;
        }

        starts = new int[numberOf.Count + 1];
        foreach (var index in order)
            starts[number[index] + 1]++;
        for (var g = 1; g < starts.Length; g++)
            starts[g] += starts[g - 1];
        var next = starts.AsSpan().ToArray();
        var members = new int[order.Length];
        foreach (var index in order)
            members[next[number[index]]++] = index;
        return members;
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

    private static uint DescendingKey(float score)
    {
        if (float.IsNaN(score))
            return 0;
        var bits = BitConverter.SingleToUInt32Bits(score + 0f);
        var ascending = (bits >> 31) != 0 ? ~bits : bits | (1U << 31);
        return ~ascending;
    }

    // For x of type T, "(double)x > threshold" and "x > LargestNotAbove(threshold)" are the same.
    private static T LargestNotAbove<T>(double threshold)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        var rounded = T.CreateChecked(threshold);
        return double.CreateChecked(rounded) > threshold ? T.BitDecrement(rounded) : rounded;
    }

    /// <summary>The boxes that survived so far, column by column: a new box is compared with a vector of them at a time, until one is too close.</summary>
    private struct Survivors<T>
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        private readonly T[] _x1, _y1, _x2, _y2, _area;
        private readonly T _threshold;
        private int _count;

        public Survivors(int capacity, T threshold)
        {
            capacity += Vector<T>.Count;
            (_x1, _y1, _x2, _y2, _area) = (new T[capacity], new T[capacity], new T[capacity], new T[capacity], new T[capacity]);
            _threshold = threshold;
            // Whole vectors reach beyond the last survivor; an undefined area is above no threshold.
            Array.Fill(_area, T.NaN);
        }

        /// <summary>Adds a box unless its IoU with a survivor is above the threshold.</summary>
        public bool TryAdd(ReadOnlySpan<T> box)
        {
            var boxArea = (box[2] - box[0]) * (box[3] - box[1]);
            Vector<T> x1 = new(box[0]), y1 = new(box[1]), x2 = new(box[2]), y2 = new(box[3]), area = new(boxArea), limit = new(_threshold);
            var zeroIsBelow = _threshold >= T.Zero;
            for (var j = 0; j < _count; j += Vector<T>.Count)
            {
                var width = Positive(Least(new Vector<T>(_x2, j), x2) - Largest(new Vector<T>(_x1, j), x1));
                var height = Positive(Least(new Vector<T>(_y2, j), y2) - Largest(new Vector<T>(_y1, j), y1));
                var inter = width * height;
                // 0 / x is 0 or NaN: neither is above a threshold that is not negative.
                if (zeroIsBelow && Vector.EqualsAll(inter, Vector<T>.Zero))
                    continue;
                if (Vector.GreaterThanAny(inter / (new Vector<T>(_area, j) + area - inter), limit))
                    return false;
            }

            (_x1[_count], _y1[_count], _x2[_count], _y2[_count], _area[_count]) = (box[0], box[1], box[2], box[3], boxArea);
            _count++;
            return true;
        }

        // std::max and std::min: comparisons, so that NaN is treated as in C++. The survivor comes first.
        private static Vector<T> Largest(Vector<T> a, Vector<T> b) => Vector.ConditionalSelect(Vector.LessThan(a, b), b, a);

        private static Vector<T> Least(Vector<T> a, Vector<T> b) => Vector.ConditionalSelect(Vector.LessThan(b, a), b, a);

        private static Vector<T> Positive(Vector<T> a) => Vector.ConditionalSelect(Vector.GreaterThan(a, Vector<T>.Zero), a, Vector<T>.Zero);
    }
}
