using FilterPruning.Graph;
using FilterPruning.Surgery;
using FilterPruning.Tracing;

namespace FilterPruning.Proof;

/// <summary>One forward of the masked self, written down call by call, to be followed by the pruned model.</summary>
/// <remarks>
/// The pruned model gets each recorded output instead of its own, so that every call is compared on the same input: errors do not add up, and a
/// score that flips at a threshold cannot send the two models down different paths.
/// </remarks>
internal sealed class ReferenceRun : IDisposable
{
    private readonly DependencyGraph _graph;
    private readonly IReadOnlyList<LayerCut> _cuts;
    private readonly IReadOnlyList<long[]?> _keptOutputs;
    private readonly int _seed;
    private readonly List<Call> _calls = [];
    private readonly List<Tensor> _results = [];

    private ReferenceRun(DependencyGraph graph, IReadOnlyList<LayerCut> cuts, int seed)
    {
        _graph = graph;
        _cuts = cuts;
        _seed = seed;
        _keptOutputs = [.. cuts.Select(cut => cut.KeptOutputs())];
    }

    /// <summary>Which layers were called with data.</summary>
    public IReadOnlySet<int> Exercised => _calls.Where(call => call.Expected.numel() > 0).Select(call => call.Layer).ToHashSet();

    /// <summary>Runs the masked model.</summary>
    /// <param name="graph">The traced model, masked.</param>
    /// <param name="cuts">The cut of each layer.</param>
    /// <param name="seed">Seed of everything random in the forward.</param>
    /// <param name="madeUp">
    /// Gives the values that are handed on in place of a layer's output: wide-spread ones keep code alive that an untrained model or a plain picture never
    /// reaches, such as the heads after a detector's score threshold. Null hands on the outputs themselves.
    /// </param>
    public static ReferenceRun Record(DependencyGraph graph, IReadOnlyList<LayerCut> cuts, int seed, Func<int, Tensor, Tensor>? madeUp = null)
    {
        var run = new ReferenceRun(graph, cuts, seed);
        try
        {
            using var scope = NewDisposeScope();
            using var hooks = new LayerHooks(graph, (layer, output) =>
            {
                var handedOn = madeUp is null ? output : madeUp(run._calls.Count, output);
                var expected = run.Kept(layer, output);
                run._calls.Add(new Call(layer, expected, madeUp is null ? expected : run.Kept(layer, handedOn)));
                return handedOn;
            });
            manual_seed(seed);
            foreach (var tensor in ReturnedTensors.In(graph.RunForward()))
                run._results.Add(tensor.detach().clone().DetachFromDisposeScope());
            return run;
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }

    /// <summary>Runs the pruned model along the recorded calls and books every difference. Uses the record up.</summary>
    public void Follow(ProofLedger ledger)
    {
        using var scope = NewDisposeScope();
        var next = 0;
        var last = "the start of the forward";
        using var hooks = new LayerHooks(_graph, (layer, output) =>
        {
            var name = _graph.Layers[layer].Name;
            last = $"layer '{name}'";
            if (next >= _calls.Count || _calls[next].Layer != layer)
            {
                var instead = next >= _calls.Count ? "the end of the forward" : $"layer '{_graph.Layers[_calls[next].Layer].Name}'";
                throw new PruningException($"The pruned model called layer '{name}' where its masked self came to {instead}. Make the forward's path independent of layer widths.");
            }

            var call = _calls[next++];
            ledger.Book(layer, output, call.Expected);
            return call.HandOn();
        });
        manual_seed(_seed);
        IReadOnlyList<Tensor> results;
        try
        {
            results = ReturnedTensors.In(_graph.RunForward());
        }
        catch (Exception error) when (error is not PruningException)
        {
            throw new PruningException(
                $"The pruned model fails after {last}: {error.Message.Split('\n')[0].TrimEnd('.', ' ', '\r')}. Look there for a width that is written down as a number, "
                + "or keep the layer's channels by the option Ignore.", error);
        }

        if (next != _calls.Count)
            throw new PruningException($"The pruned model stopped after {next} of {_calls.Count} layer calls of its masked self. Make the forward's path independent of layer widths.");
        ledger.BookResults(results, _results);
    }

    public void Dispose()
    {
        foreach (var call in _calls)
            call.Dispose();
        foreach (var value in _results)
            value.Dispose();
        _calls.Clear();
        _results.Clear();
    }

    /// <summary>A copy of an output, restricted to the channels that stay: later code may write into the output itself.</summary>
    private Tensor Kept(int layer, Tensor output)
    {
        using var scope = NewDisposeScope();
        var traced = _cuts[layer].Layer;
        var copy = _keptOutputs[layer] is { } kept
            ? output.detach().index_select(traced.Rule.OutputAxis(traced.Module, output), tensor(kept, device: output.device))
            : output.detach().clone();
        return copy.DetachFromDisposeScope();
    }

    /// <summary>One call of a layer.</summary>
    /// <param name="Layer">The layer's index in the graph.</param>
    /// <param name="Expected">What the pruned layer should give.</param>
    /// <param name="HandedOn">What the code after it should get; may be the same tensor.</param>
    private sealed record Call(int Layer, Tensor Expected, Tensor HandedOn) : IDisposable
    {
        /// <summary>Gives the values to the forward, in whose dispose scope they then live, and lets go of the rest.</summary>
        public Tensor HandOn()
        {
            var alias = HandedOn.alias();
            Dispose();
            return alias;
        }

        public void Dispose()
        {
            Expected.Dispose();
            HandedOn.Dispose();
        }
    }
}
