using System.Runtime.InteropServices;
using FilterPruning.Fuzz.Engine;
using SharpFuzz.Common;

namespace FilterPruning.Fuzz.Guided;

/// <summary>
/// Coverage as SharpFuzz's instrumentation counts it: in a map of 2¹⁶ counters, one for each pair of branches taken one after the other. Counts are told apart by orders of
/// magnitude (1, 2, 3, 4 – 7, 8 – 15, 16 – 31, 32 – 127, more), as AFL does it. One object a process: the instrumented code has one map.
/// </summary>
internal sealed unsafe class TraceCoverage : ICoverage
{
    private const int Size = 1 << 16;
    private static readonly byte[] Magnitude = [.. Enumerable.Range(0, 256).Select(count => (byte)(count switch { 0 => 0, 1 => 1, 2 => 2, 3 => 4, < 8 => 8, < 16 => 16, < 32 => 32, < 128 => 64, _ => 128 }))];

    private readonly byte* _map;
    private readonly byte[] _seen = new byte[Size];

    /// <summary>Must come before any instrumented code runs: that code writes to the map.</summary>
    public TraceCoverage()
    {
        _map = (byte*)NativeMemory.AllocZeroed(Size);
        Trace.SharedMem = _map;
    }

    public int Edges { get; private set; }

    public void Begin()
    {
        new Span<byte>(_map, Size).Clear();
        Trace.PrevLocation = 0;
    }

    public bool End()
    {
        var isNew = false;
        var map = new Span<byte>(_map, Size);
        for (var at = 0; ; at++)
        {
            var next = map[at..].IndexOfAnyExcept((byte)0);
            if (next < 0)
                return isNew;
            at += next;
            var magnitude = Magnitude[map[at]];
            if ((_seen[at] & magnitude) != 0)
                continue;
            Edges += _seen[at] == 0 ? 1 : 0;
            _seen[at] |= magnitude;
            isNew = true;
        }
    }

    public IReadOnlyList<int> Steps() => [.. Enumerable.Range(0, Size).Where(at => _map[at] != 0)];

    /// <summary>Whether the reader's assembly was instrumented: then anything it does leaves a trace.</summary>
    public bool SawAnything => Edges > 0;
}
