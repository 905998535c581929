using FilterPruning.Graph;
using FilterPruning.Layers;
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
    private readonly int _seed;
    private readonly List<Call> _calls = [];
    private readonly List<Tensor> _results = [];

    private ReferenceRun(DependencyGraph graph, IReadOnlyList<LayerCut> cuts, int seed)
    {
        _graph = graph;
        _cuts = cuts;
        _seed = seed;
    }

    /// <summary>Which layers were called with data.</summary>
    public IReadOnlySet<int> Exercised => _calls.Where(call => call.Expected.Any(output => output.numel() > 0)).Select(call => call.Layer).ToHashSet();

    /// <summary>Runs the masked model.</summary>
    /// <param name="graph">The traced model, masked.</param>
    /// <param name="cuts">The cut of each layer.</param>
    /// <param name="seed">Seed of everything random in the forward.</param>
    /// <param name="madeUp">
    /// The values that are handed on in place of a layer's output: wide-spread ones keep code alive that an untrained model or a plain picture never
    /// reaches, such as the heads after a detector's score threshold. Null hands on the outputs themselves.
    /// </param>
    public static ReferenceRun Record(DependencyGraph graph, IReadOnlyList<LayerCut> cuts, int seed, PortValues? madeUp = null)
    {
        var run = new ReferenceRun(graph, cuts, seed);
        try
        {
            using var scope = NewDisposeScope();
            using var hooks = new LayerHooks(graph, (layer, inputs, outputs) => run.Record(layer, inputs, outputs, madeUp), layer => cuts[layer].IsMaskedByInputs ? cuts[layer].MaskInputs : null);
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
        using var hooks = new LayerHooks(_graph, (layer, _, outputs) =>
        {
            var name = _graph.Layers[layer].Name;
            last = $"layer '{name}'";
            if (next >= _calls.Count || _calls[next].Layer != layer)
            {
                var instead = next >= _calls.Count ? "the end of the forward" : $"layer '{_graph.Layers[_calls[next].Layer].Name}'";
                throw new PruningException($"The pruned model called layer '{name}' where its masked self came to {instead}. Make the forward's path independent of layer widths.");
            }

            var call = _calls[next++];
            if (outputs.Count != call.Expected.Count)
                throw new PruningException($"Layer '{name}' of the pruned model returned {outputs.Count} tensors instead of {call.Expected.Count}. Make what it returns independent of layer widths.");
            for (var i = 0; i < outputs.Count; i++)
                ledger.Book(layer, outputs[i], call.Expected[i]);
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

    /// <summary>Writes down what a call of the masked model should give, and says what the code after it gets: the same, with zeros in the channels that go.</summary>
    private Tensor[] Record(int layer, IReadOnlyList<Tensor?> inputs, IReadOnlyList<Tensor> outputs, PortValues? madeUp)
    {
        using var scope = NewDisposeScope();
        var cut = _cuts[layer];
        var (rule, module) = (cut.Layer.Rule, cut.Layer.Module);
        // Asked for before anything is exchanged; a layer that computes across channels says itself what the narrow one gives.
        var narrow = cut.Changes ? rule.OutputsOn(module, inputs, cut.Kept(ChannelAxis.Input), cut.Kept(ChannelAxis.Output)) : null;
        var ports = rule.OutputPorts(module, outputs).ToDictionary(port => port.Index);
        var expected = new Tensor[outputs.Count];
        var handedOn = new Tensor[outputs.Count];
        var wide = new Tensor[outputs.Count];
        for (var i = 0; i < outputs.Count; i++)
        {
            var positions = ports.TryGetValue(i, out var port) ? cut.Positions(port, outputs[i].shape[port.Axis]) : null;
            // Copies: later code may write into an output.
            expected[i] = (narrow?[i] ?? Narrow(outputs[i], port, positions?.Kept)).DetachFromDisposeScope();
            var full = positions is null ? narrow?[i].detach().clone() ?? outputs[i]
                : narrow is null ? outputs[i].detach().clone() : zeros_like(outputs[i]).index_copy_(port!.Axis, tensor(positions.Value.Kept, device: outputs[i].device), narrow[i]);
            if (madeUp is not null && outputs[i].is_floating_point())
                full = madeUp.At(_calls.Count + (i * 100003), outputs[i], port ?? new TensorPort(i, 0, ChannelAxis.Output));
            if (positions is { } some)
                full.index_fill_(port!.Axis, tensor(some.Removed, device: full.device), 0);
            handedOn[i] = madeUp is null ? expected[i] : Narrow(full, port, positions?.Kept).DetachFromDisposeScope();
            wide[i] = ReferenceEquals(full, outputs[i]) ? full : full.MoveToOuterDisposeScope();
        }

        _calls.Add(new Call(layer, expected, handedOn));
        return wide;
    }

    private static Tensor Narrow(Tensor output, TensorPort? port, long[]? kept) =>
        kept is null ? output.detach().clone() : output.detach().index_select(port!.Axis, tensor(kept, device: output.device));

    /// <summary>One call of a layer.</summary>
    /// <param name="Layer">The layer's index in the graph.</param>
    /// <param name="Expected">What the pruned layer should give.</param>
    /// <param name="HandedOn">What the code after it should get; may be the same tensors.</param>
    private sealed record Call(int Layer, IReadOnlyList<Tensor> Expected, IReadOnlyList<Tensor> HandedOn) : IDisposable
    {
        /// <summary>Gives the values to the forward, in whose dispose scope they then live, and lets go of the rest.</summary>
        public Tensor[] HandOn()
        {
            var aliases = HandedOn.Select(value => value.alias()).ToArray();
            Dispose();
            return aliases;
        }

        public void Dispose()
        {
            foreach (var value in Expected.Concat(HandedOn))
                value.Dispose();
        }
    }
}
