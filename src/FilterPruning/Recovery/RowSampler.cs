using FilterPruning.Graph;

namespace FilterPruning.Recovery;

/// <summary>
/// Draws rows from what goes into a layer: every position of every sample is a row of all input units. The positions of a call depend on
/// the seed, the layer, the input's index and the call's index alone, so that two models are sampled at the same places.
/// </summary>
internal sealed class RowSampler(int seed, int rows, int inputs)
{
    /// <summary>float32 <c>[rows, units]</c>, on the CPU; the caller's.</summary>
    public Tensor Draw(TracedLayer layer, Tensor input, int inputIndex, int callIndex)
    {
        using var scope = NewDisposeScope();
        var axis = layer.Rule.InputAxis(layer.Module, input);
        var flat = input.detach().movedim([axis], [-1]).reshape(-1, layer.InputChannels);   // [positions, units]
        var quota = Math.Max(1, rows / Math.Max(1, inputs * Math.Max(1, layer.Calls.Count)));
        if (flat.shape[0] > quota)
        {
            var picked = Pick((int)flat.shape[0], quota, HashCode(layer.Name, inputIndex, callIndex));
            flat = flat.index_select(0, tensor(picked, int64, device: flat.device));
        }

        return flat.to(float32).cpu().clone().MoveToOuterDisposeScope();
    }

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
