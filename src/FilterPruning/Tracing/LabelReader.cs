using System.Numerics;
using System.Runtime.CompilerServices;
using FilterPruning.Storage;

namespace FilterPruning.Tracing;

/// <summary>
/// Reads from coded gradients which labels the elements of each unit reach, in one pass: what <see cref="ChannelCode.Decode"/> and <see cref="ChannelProbe.Live"/> say with some twenty tensors. It gives up
/// as soon as an element reaches more than one label; then the tensors have to tell what is mixed.
/// </summary>
/// <remarks>Most elements of a unit reach the same label. So a vector of elements is compared with the label found last, and only what differs is decoded.</remarks>
internal sealed unsafe class LabelReader
{
    private readonly ChannelCode _code;
    private readonly float*[] _coded;
    private readonly float*[] _at;
    private readonly float[] _steps;
    private readonly HashSet<(int Unit, int Label)> _pairs = [];

    private LabelReader(ChannelCode code, IReadOnlyList<Tensor> coded)
    {
        _code = code;
        _coded = new float*[coded.Count];
        for (var row = 0; row < _coded.Length; row++) _coded[row] = (float*)TensorMemory.Pointer(coded[row]);
        _at = new float*[_coded.Length];
        _steps = new float[code.Digits];
    }

    /// <summary>The pairs of a unit and a label that one of its live elements reaches, in no order; null when a live element reaches more than one label, or the tensors are not plain floats.</summary>
    /// <param name="plain">The leaf's gradient for the plain cotangent.</param>
    /// <param name="coded">Its gradients for each row of the code's factors.</param>
    /// <param name="axis">The axis of the leaf's units.</param>
    /// <param name="code">The code.</param>
    public static HashSet<(int Unit, int Label)>? Read(Tensor plain, IReadOnlyList<Tensor> coded, int axis, ChannelCode code)
    {
        if (plain.dtype != float32 || plain.device_type != DeviceType.CPU) return null;
        using var scope = NewDisposeScope();
        var dense = plain.contiguous();
        var rows = coded.Select(row => row.contiguous()).ToList();
        var shape = plain.shape;
        var (outer, units, inner) = (Product(shape.AsSpan(0, axis)), (int)shape[axis], Product(shape.AsSpan(axis + 1)));
        var reader = new LabelReader(code, rows);
        var isSingle = reader.Read((float*)TensorMemory.Pointer(dense), outer, units, inner);
        GC.KeepAlive(dense);
        GC.KeepAlive(rows);
        return isSingle ? reader._pairs : null;
    }

    /// <summary>The units with an element that is not zero; null for tensors that are not plain floats.</summary>
    /// <param name="plain">The leaf's gradient for a plain cotangent.</param>
    /// <param name="axis">The axis of the leaf's units.</param>
    public static List<int>? LiveUnits(Tensor plain, int axis)
    {
        if (plain.dtype != float32 || plain.device_type != DeviceType.CPU) return null;
        using var scope = NewDisposeScope();
        var dense = plain.contiguous();
        var shape = plain.shape;
        var thresholds = Thresholds((float*)TensorMemory.Pointer(dense), Product(shape.AsSpan(0, axis)), (int)shape[axis], Product(shape.AsSpan(axis + 1)), 1);
        GC.KeepAlive(dense);
        return [.. Enumerable.Range(0, thresholds.Length).Where(unit => thresholds[unit] > 0)];
    }

    private static long Product(ReadOnlySpan<long> lengths)
    {
        var product = 1L;
        foreach (var length in lengths) product *= length;
        return product;
    }

    private bool Read(float* plain, long outer, int units, long inner)
    {
        var thresholds = Thresholds(plain, outer, units, inner, (float)ChannelProbe.FaintShare);
        var last = new int[units];
        Array.Fill(last, -1);
        for (long run = 0; run < outer * units; run++)
        {
            var unit = (int)(run % units);
            for (var row = 0; row < _coded.Length; row++) _at[row] = _coded[row] + (run * inner);
            if (!ReadRun(plain + (run * inner), inner, unit, thresholds[unit], ref last[unit])) return false;
        }
        return true;
    }

    /// <summary>A share of the largest finite magnitude of each unit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float[] Thresholds(float* plain, long outer, int units, long inner, float share)
    {
        var (lanes, infinity) = (Vector<float>.Count, new Vector<float>(float.PositiveInfinity));
        var largest = new float[units];
        for (long run = 0; run < outer * units; run++)
        {
            ref var most = ref largest[run % units];
            var at = plain + (run * inner);
            var (i, many) = (0L, Vector<float>.Zero);
            for (; i <= inner - lanes; i += lanes)
            {
                var size = Vector.Abs(Vector.Load(at + i));
                many = Vector.ConditionalSelect(Vector.LessThan(size, infinity) & Vector.GreaterThan(size, many), size, many);
            }
            if (i > 0)
                for (var lane = 0; lane < lanes; lane++) most = Math.Max(most, many[lane]);
            for (; i < inner; i++)
                if (float.IsFinite(at[i])) most = Math.Max(most, Math.Abs(at[i]));
        }
        for (var unit = 0; unit < units; unit++) largest[unit] *= share;
        return largest;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool ReadRun(float* plain, long length, int unit, float threshold, ref int last)
    {
        var lanes = Vector<float>.Count;
        var (least, infinity) = (new Vector<float>(threshold), new Vector<float>(float.PositiveInfinity));
        long i = 0;
        if (last >= 0) Expect(_code.CodeOf(last));
        for (; i <= length - lanes; i += lanes)
        {
            var value = Vector.Load(plain + i);
            var size = Vector.Abs(value);
            var live = Vector.GreaterThan(size, least) & Vector.LessThan(size, infinity);
            if (live == Vector<int>.Zero || (last >= 0 && Vector.AndNot(live, Reaches(value, i)) == Vector<int>.Zero)) continue;
            for (var lane = 0; lane < lanes; lane++)
                if (live[lane] != 0 && !ReadOne(plain, i + lane, unit, ref last)) return false;
        }
        for (; i < length; i++)
            if (Math.Abs(plain[i]) is var size && size > threshold && float.IsFinite(size) && !ReadOne(plain, i, unit, ref last)) return false;
        return true;
    }

    /// <summary>Which of some elements reach the label found last, and it alone.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector<int> Reaches(Vector<float> plain, long i)
    {
        var (reaches, squares, one, steps) = (Vector<int>.AllBitsSet, Vector<float>.Zero, Vector<float>.One, new Vector<float>(_code.Base));
        for (var digit = 0; digit < _steps.Length; digit++)
        {
            var value = Vector.Load(_at[digit] + i) / plain;
            reaches &= Vector.LessThan(Vector.Abs(((value - one) * steps) - new Vector<float>(_steps[digit])), new Vector<float>((float)ChannelCode.StepTolerance));
            squares += value * value;
        }
        return reaches & Vector.LessThan(Vector.Abs((Vector.Load(_at[_steps.Length] + i) / plain) - squares), new Vector<float>((float)ChannelCode.VarianceTolerance));
    }

    private bool ReadOne(float* plain, long i, int unit, ref int last)
    {
        var (squares, code, place) = (0f, 0L, 1L);
        for (var digit = 0; digit < _steps.Length; digit++, place *= _code.Base)
        {
            var value = _at[digit][i] / plain[i];
            var position = (value - 1) * _code.Base;
            var step = MathF.Round(position);
            // Comparisons with NaN are false: an element that overflowed is not single.
            if (!(MathF.Abs(position - step) < (float)ChannelCode.StepTolerance && step >= 0 && step < _code.Base)) return false;
            code += (long)step * place;
            squares += value * value;
        }
        if (!(MathF.Abs((_at[_steps.Length][i] / plain[i]) - squares) < (float)ChannelCode.VarianceTolerance) || _code.LabelOf(code) is not { } label) return false;
        if (label == last) return true;
        last = label;
        _pairs.Add((unit, label));
        Expect(code);
        return true;
    }

    private void Expect(long code)
    {
        for (var digit = 0; digit < _steps.Length; digit++, code /= _code.Base) _steps[digit] = code % _code.Base;
    }
}
