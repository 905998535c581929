using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Proof;
using FilterPruning.Recovery;
using FilterPruning.Tracing;

namespace FilterPruning.Selection;

/// <summary>How much what a model answers feels an error in each output of each layer, without labels.</summary>
/// <remarks>
/// The answer is made one number f by a random sign for each of its elements, every returned tensor divided by its own standard deviation and by the root of its size. An independent error of variance
/// e at every place of output o of a layer then changes f by Σ (∂f/∂y_o)²·e in the mean square: the mean squared relative change of the answers, to first order. That sum over a layer's places and calls, averaged
/// over inputs and draws of signs, is the output's sensitivity. (With labels and a loss in place of signs it would be the diagonal of the Fisher information in Kronecker-factored pruning.)
/// </remarks>
internal sealed class OutputSensitivity
{
    private readonly Dictionary<TracedLayer, double[]> _sums = [];

    private OutputSensitivity()
    {
    }

    /// <summary>float64 <c>[outputs]</c> on the CPU, 0 or more; the caller's. Zeros for a layer that nothing returned depends on.</summary>
    public Tensor Of(TracedLayer layer) => tensor(_sums.GetValueOrDefault(layer) ?? new double[layer.OutputChannels], dtype: float64);

    /// <summary>Measures on the first inputs of a sample.</summary>
    /// <param name="sample">The sample; its model is left as it was.</param>
    /// <param name="inputs">How many inputs to run, forward and back; at least 1.</param>
    /// <param name="seed">Of the signs.</param>
    /// <param name="cancellation">Looked at before each input.</param>
    /// <returns>Null when nothing that the forward returns has a gradient: it records none, or returns choices and counts alone.</returns>
    public static OutputSensitivity? Measure(CalibrationSample sample, int inputs, int seed, CancellationToken cancellation = default)
    {
        using var quiet = new QuietRun(sample.Graph.Model, "a measurement of sensitivities");
        var result = new OutputSensitivity();
        var count = Math.Min(inputs, sample.Inputs);
        for (var input = 0; input < count; input++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            using var gradients = enable_grad();
            result.Add(sample, input, seed, 1.0 / count);
        }

        return result._sums.Count > 0 ? result : null;
    }

    private void Add(CalibrationSample sample, int input, int seed, double share)
    {
        var seen = new List<(TracedLayer Layer, Tensor Output)>();
        try
        {
            Add(sample, input, seed, share, seen);
        }
        finally
        {
            seen.ForEach(entry => entry.Output.Dispose());
        }
    }

    private void Add(CalibrationSample sample, int input, int seed, double share, List<(TracedLayer Layer, Tensor Output)> seen)
    {
        object? answer;
        using (var watches = new Watches())
        {
            foreach (var layer in sample.Readers)
            {
                watches.Add(layer.Rule.Watch(layer.Module, new CallWatcher(null, (_, outputs) =>
                {
                    // What is handed on is a copy: code may write into it, and a leaf must not be written to. The original outlives the scopes of the modules around.
                    var own = (outputs[0].requires_grad ? outputs[0].clone() : outputs[0].detach().requires_grad_(true)).DetachFromDisposeScope();
                    seen.Add((layer, own));
                    return [own.clone(), .. outputs.Skip(1)];
                })));
            }

            answer = sample.Answers[input]();
        }

        using var generator = new Generator((ulong)(uint)unchecked((seed * 1_000_003) + input));
        var parts = ReturnedTensors.In(answer).Where(part => part.is_floating_point() && part.requires_grad && part.numel() > 0).Select(part => OneNumber(part, generator)).ToList();
        if (parts.Count == 0 || seen.Count == 0)
            return;
        var total = parts.Aggregate((sum, part) => sum + part) / Math.Sqrt(parts.Count);
        var found = autograd.grad([total], [.. seen.Select(entry => entry.Output)], allow_unused: true);
        using var noGrad = no_grad();
        for (var call = 0; call < seen.Count; call++)
        {
            if (found[call].IsInvalid)
                continue;
            var (layer, output) = seen[call];
            var axis = layer.Rule.OutputAxis(layer.Module, output);
            var squares = found[call].movedim([axis], [0]).flatten(1).square().sum(1, type: float64).cpu().data<double>();   // [outputs]
            if (!_sums.TryGetValue(layer, out var sum))
                _sums.Add(layer, sum = new double[layer.OutputChannels]);
            for (var channel = 0; channel < sum.Length; channel++)
                sum[channel] += share * squares[channel];
        }
    }

    // A sum with random signs, of variance 1 over the draws where the tensor's elements have one.
    private static Tensor OneNumber(Tensor part, Generator generator)
    {
        var signs = (randint(0, 2, part.shape, generator: generator, dtype: float32) * 2 - 1).to(part.device);
        using var detached = part.detach().to(float32);
        var spread = detached.numel() > 1 ? detached.std().item<float>() : Math.Abs(detached.item<float>());
        return (part.to(float32) * signs).sum() / (Math.Sqrt(part.numel()) * Math.Max(spread, 1e-12));
    }

    private sealed class Watches : IDisposable
    {
        private readonly List<IDisposable> _all = [];

        public void Add(IDisposable watch) => _all.Add(watch);

        public void Dispose() => _all.ForEach(watch => watch.Dispose());
    }
}
