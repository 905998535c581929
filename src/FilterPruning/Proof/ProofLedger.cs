using FilterPruning.Graph;

namespace FilterPruning.Proof;

/// <summary>Collects the differences between a pruned model and its masked self.</summary>
internal sealed class ProofLedger(DependencyGraph graph, double tolerance)
{
    private readonly double[] _errors = new double[graph.Layers.Count];
    private readonly int[] _calls = new int[graph.Layers.Count];
    private readonly List<(double Error, string What)> _violations = [];
    private double _resultError;

    /// <summary>Compares one output of a layer.</summary>
    public void Book(int layer, Tensor actual, Tensor expected)
    {
        var name = graph.Layers[layer].Name;
        if (!actual.shape.SequenceEqual(expected.shape))
        {
            throw new PruningException(
                $"Layer '{name}' of the pruned model gives [{string.Join(", ", actual.shape)}] instead of [{string.Join(", ", expected.shape)}]. Look for a width that is written down as a number before it, or for a tensor that the layer's rule does not name.");
        }

        var error = RelativeError.Of(actual, expected);
        _errors[layer] = Math.Max(_errors[layer], error);
        if (expected.numel() > 0)
            _calls[layer]++;
        Judge(error, expected.dtype, $"layer '{name}'");
    }

    /// <summary>Compares what the two forwards returned.</summary>
    public void BookResults(IReadOnlyList<Tensor> actual, IReadOnlyList<Tensor> expected)
    {
        if (actual.Count != expected.Count)
            throw new PruningException($"The pruned model returned {actual.Count} tensors, its masked self {expected.Count}. Make what the forward returns independent of layer widths.");
        for (var i = 0; i < actual.Count; i++)
        {
            if (!actual[i].shape.SequenceEqual(expected[i].shape))
            {
                throw new PruningException(
                    $"The pruned model returned [{string.Join(", ", actual[i].shape)}] as tensor {i} of its answer instead of [{string.Join(", ", expected[i].shape)}]. Keep the channels that the model returns.");
            }

            var error = RelativeError.Of(actual[i], expected[i]);
            _resultError = Math.Max(_resultError, error);
            Judge(error, expected[i].dtype, $"returned tensor {i}");
        }
    }

    /// <summary>The proof, or an error that names where the two models differ.</summary>
    public EquivalenceProof Close(IReadOnlyList<string> notExercised)
    {
        if (_violations.Count > 0)
        {
            var worst = _violations.OrderByDescending(violation => violation.Error).Select(violation => $"{violation.What} by {violation.Error:G3}").Distinct();
            throw new PruningException(
                $"The pruned model differs from its masked self (relative to each output's largest value; allowed is {tolerance}): {string.Join(", ", worst.Take(5))}. "
                + "A tie between channels was missed before the first of these layers: keep its channels by the option Ignore. If that layer has a rule of your own, see whether its outputs depend on one another (LayerRule.OutputsOn).");
        }

        var largest = _errors.DefaultIfEmpty().Max();
        var worstLayer = largest > 0 && largest >= _resultError ? graph.Layers[Array.IndexOf(_errors, largest)].Name : null;
        var layers = graph.Layers.Select((layer, i) => new LayerProof(layer.Name, _calls[i], _errors[i])).ToList();
        return new EquivalenceProof(Math.Max(largest, _resultError), tolerance, worstLayer, _resultError, layers, notExercised);
    }

    private void Judge(double error, ScalarType type, string what)
    {
        if (!(error <= RelativeError.Allowed(type, tolerance)))
            _violations.Add((error, what));
    }
}
