using FilterPruning.Graph;

namespace FilterPruning.Recovery;

/// <summary>What one consumer reads in the pruned model, by input and call. Owns its tensors.</summary>
internal sealed class ConsumerRows(TracedLayer layer, CalibrationSample sample) : IDisposable
{
    private readonly Dictionary<int, List<(Tensor Rows, Tensor? Patches)>> _byInput = [];
    private readonly SortedDictionary<int, Tensor> _beside = [];

    /// <summary>Draws from a call of the layer on an input.</summary>
    /// <exception cref="PruningException">The dense model called the layer less often.</exception>
    public void Draw(Tensor value, int input, Tensor? keptUnits)
    {
        var calls = _byInput.TryGetValue(input, out var known) ? known : _byInput[input] = [];
        if (calls.Count >= sample.CallsOf(layer, input))
            throw RowsDiffer();
        var rows = sample.Sampler.Draw(layer, value, input, calls.Count).DetachFromDisposeScope();
        Tensor? patches = null;
        if (keptUnits is not null)
        {
            using var scope = NewDisposeScope();
            patches = sample.Sampler.DrawPatches(layer, value, input, calls.Count).index_select(1, keptUnits).DetachFromDisposeScope();
        }

        calls.Add((rows, patches));
    }

    /// <summary>Draws from the other part of the sum behind the layer, before the layer itself is reached.</summary>
    public void DrawBeside(Tap tap, Tensor value, int input)
    {
        if (!_beside.ContainsKey(input))
            _beside[input] = sample.Sampler.DrawBeside(layer, tap, value, input).DetachFromDisposeScope();
    }

    /// <summary>The other part of the sum <c>[rows, outputs]</c>, in the order of inputs; or nothing.</summary>
    public IReadOnlyList<Tensor> Beside => [.. _beside.Values];

    /// <summary>Whether everything the dense model showed of an input has been drawn.</summary>
    public bool Has(int input) => (_byInput.TryGetValue(input, out var calls) ? calls.Count : 0) == sample.CallsOf(layer, input);

    /// <summary>Input rows <c>[rows, units]</c>, in the order of inputs and calls.</summary>
    public IReadOnlyList<Tensor> Rows => [.. InOrder().Select(call => call.Rows)];

    /// <summary>Patches of the kept units <c>[rows, units, taps]</c>, or nothing.</summary>
    public IReadOnlyList<Tensor> Patches => [.. InOrder().Select(call => call.Patches).OfType<Tensor>()];

    /// <summary>The error for a forward that does not go the same way in both models.</summary>
    public PruningException RowsDiffer() => new(
        $"Repair needs the same rows from the dense and from the pruned model, but '{layer.Name}' saw others. "
        + "The forward chooses by value what it works on (regions, tokens); give a forward that repeats the dense model's choices "
        + "(for Mask R-CNN: CalibrationForward).");

    public void Dispose()
    {
        foreach (var (rows, patches) in InOrder())
        {
            rows.Dispose();
            patches?.Dispose();
        }

        foreach (var rows in _beside.Values)
            rows.Dispose();
        _byInput.Clear();
        _beside.Clear();
    }

    private IEnumerable<(Tensor Rows, Tensor? Patches)> InOrder() => _byInput.OrderBy(entry => entry.Key).SelectMany(entry => entry.Value);
}
