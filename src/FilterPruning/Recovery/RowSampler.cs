using FilterPruning.Graph;

namespace FilterPruning.Recovery;

/// <summary>
/// Draws rows from what goes into a layer and comes out of it: every position of every sample is a row of all channels. The positions of a call depend on the seed, the layer, the input's
/// index and the call's index alone, so that two models are sampled at the same places.
/// </summary>
internal sealed class RowSampler(int seed, int rows, int inputs)
{
    private const long LargestBlock = 1 << 25;
    private const long MostUnknowns = 6144;

    /// <summary>Whether what the layer's weights see at an output place can be gathered (<see cref="DrawPatches"/>), and is not more than a fit can take.</summary>
    public static bool CanGather(TracedLayer layer) => layer.Rule.TapsSeen(layer.Module) * (long)layer.InputChannels is > 0 and <= MostUnknowns;

    /// <summary>Input rows, float32 <c>[rows, units]</c>, on the CPU; the caller's.</summary>
    public Tensor Draw(TracedLayer layer, Tensor input, int inputIndex, int callIndex) =>
        At(input, layer.Rule.InputAxis(layer.Module, input), Quota(layer), layer.Name, inputIndex, callIndex);

    /// <summary>Output rows, float32 <c>[rows, outputs]</c>, on the CPU; the caller's.</summary>
    public Tensor DrawOutputs(TracedLayer layer, Tensor output, int inputIndex, int callIndex) =>
        At(output, layer.Rule.OutputAxis(layer.Module, output), PatchQuota(layer), layer.Name + " out", inputIndex, callIndex);

    /// <summary>What passes by at the places of <see cref="DrawOutputs"/> of a layer, float32 <c>[rows, outputs]</c>, on the CPU; the caller's.</summary>
    public Tensor DrawBeside(TracedLayer layer, Tap tap, Tensor value, int inputIndex) =>
        At(value, tap.Axis(value), PatchQuota(layer), layer.Name + " out", inputIndex, 0);

    /// <summary>What the kernel sees at the places of <see cref="DrawOutputs"/>, float32 <c>[rows, units, taps]</c>, on the CPU; the caller's.</summary>
    public Tensor DrawPatches(TracedLayer layer, Tensor input, int inputIndex, int callIndex)
    {
        using var scope = NewDisposeScope();
        var places = (int)layer.Rule.PlacesOf(layer.Module, input);
        var picked = Picked(places, PatchQuota(layer), layer.Name + " out", inputIndex, callIndex) ?? [.. Enumerable.Range(0, places).Select(place => (long)place)];
        return layer.Rule.PatchesAt(layer.Module, input.detach(), picked).to(float32).cpu().MoveToOuterDisposeScope();
    }

    private Tensor At(Tensor values, int axis, int quota, string name, int inputIndex, int callIndex)
    {
        using var scope = NewDisposeScope();
        var moved = values.detach().movedim([axis], [-1]);
        var flat = moved.reshape(-1, values.shape[axis]);                                    // [positions, units]
        if (Picked((int)flat.shape[0], quota, name, inputIndex, callIndex) is { } picked)
            flat = flat.index_select(0, tensor(picked, int64, device: flat.device));
        return flat.to(float32).cpu().clone().MoveToOuterDisposeScope();
    }

    private int Quota(TracedLayer layer) => PerCall(layer, Math.Min(rows, LargestBlock / Math.Max(1, layer.InputChannels)));

    // A fit over patches has as many unknowns as channels × taps: more rows, as far as memory allows.
    private int PatchQuota(TracedLayer layer)
    {
        var unknowns = (long)layer.InputChannels * layer.Rule.TapsSeen(layer.Module);
        return PerCall(layer, Math.Clamp(2 * unknowns, rows, 2 * rows));
    }

    private int PerCall(TracedLayer layer, long all) => (int)Math.Max(1, all / Math.Max(1, inputs * Math.Max(1, layer.Calls.Count)));

    // Null: all of them.
    private long[]? Picked(int count, int quota, string name, int inputIndex, int callIndex) =>
        count > quota ? Pick(count, quota, HashCode(name, inputIndex, callIndex)) : null;

    // A partial Fisher–Yates shuffle, then ascending for locality.
    private static long[] Pick(int count, int quota, int state)
    {
        var random = new Random(state);
        var swapped = new Dictionary<int, int>();
        var picked = new long[quota];
        for (var i = 0; i < quota; i++)
        {
            var j = random.Next(i, count);
            picked[i] = swapped.GetValueOrDefault(j, j);
            swapped[j] = swapped.GetValueOrDefault(i, i);
        }

        Array.Sort(picked);
        return picked;
    }

    // FNV-1a: the same on every platform and in every process.
    private int HashCode(string layer, int inputIndex, int callIndex)
    {
        var hash = 2166136261u;
        void Mix(uint value) => hash = (hash ^ value) * 16777619u;
        foreach (var letter in layer)
            Mix(letter);
        Mix((uint)seed);
        Mix((uint)inputIndex);
        Mix((uint)callIndex);
        return (int)(hash & int.MaxValue);
    }
}
