using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary>
/// The options of a <c>MultiheadAttention</c>, which TorchSharp keeps on the native side and does not tell. They are found by asking the module: which number of heads explains what it
/// answers, whether its weights have a column too many, in which steps its weights vary under dropout.
/// </summary>
/// <param name="Heads">The number of heads.</param>
/// <param name="AddZero">Whether a row of zeros is added to keys and values.</param>
/// <param name="Dropout">The probability with which an attention weight is dropped in training.</param>
internal sealed record AttentionOptions(int Heads, bool AddZero, double Dropout)
{
    private const long Length = 8;
    private const long Batch = 32;

    /// <summary>Asks a module; it is left as it was.</summary>
    /// <exception cref="PruningException">No number of heads explains what the module answers.</exception>
    public static AttentionOptions Of(MultiheadAttention module, AttentionWeights weights)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var random = get_rng_state();
        var training = module.training;
        try
        {
            module.eval();
            var addZero = HasZeroColumn(module, weights);
            var heads = FindHeads(module, weights, addZero);
            return new AttentionOptions(heads, addZero, FindDropout(module, weights, heads));
        }
        finally
        {
            module.train(training);
            set_rng_state(random);
        }
    }

    private static bool HasZeroColumn(MultiheadAttention module, AttentionWeights weights)
    {
        var (q, k, v) = weights.Inputs(Length, 1, (shape, type) => ones(shape, dtype: type));
        var columns = module.forward(q, k, v, null, true, null).Item2.shape[^1];
        return columns > Length + (weights.KeyBias is null ? 0 : 1);
    }

    private static int FindHeads(MultiheadAttention module, AttentionWeights weights, bool addZero)
    {
        using var generator = new Generator(11, CPU);
        generator.manual_seed(11);
        var (q, k, v) = weights.Inputs(Length, 1, (shape, type) => randn(shape, dtype: float32, generator: generator).to(type) * 2);
        var answer = module.forward(q, k, v, null, true, null).Item1;
        var errors = Enumerable.Range(1, weights.Embedding).Where(heads => weights.Embedding % heads == 0)
            .Select(heads => (Heads: heads, Error: Proof.RelativeError.Of(weights.Attend([q, k, v, null, null], heads, addZero, weights.All, weights.All).Output, answer))).OrderBy(found => found.Error).ToList();
        if (errors[0].Error < 1e-2 && (errors.Count == 1 || errors[0].Error < errors[1].Error / 2)) return errors[0].Heads;
        throw new PruningException(
            $"The number of heads of a MultiheadAttention with {weights.Embedding} channels could not be found: nothing that divides {weights.Embedding} explains what it answers. "
            + "Keep the layer by a rule of your own, or check its weights for NaN and zeros.");
    }

    // Without biases and on zeros, every key is as good as any other: all weights are alike but for what was dropped. With several heads they are averages of heads that were kept or not.
    private static double FindDropout(MultiheadAttention module, AttentionWeights weights, int heads)
    {
        var biases = module.named_parameters(recurse: false).Where(entry => entry.name is "in_proj_bias" or "bias_k" or "bias_v").Select(entry => (entry.parameter, Value: entry.parameter.detach())).ToList();
        try
        {
            foreach (var (parameter, value) in biases) parameter.set_(zeros_like(value));
            var (q, k, v) = weights.Inputs(Length, Batch, (shape, type) => zeros(shape, dtype: type));
            module.eval();
            var plain = module.forward(q, k, v, null, true, null).Item2;
            module.train();
            manual_seed(1);
            var dropped = module.forward(q, k, v, null, true, null).Item2;
            if (dropped.equal(plain).all().item<bool>()) return 0;
            // m heads of all are kept: m / ((1 − p) · heads).
            var levels = (dropped / plain).reshape(-1).to(float64).cpu().data<double>().ToArray().Select(level => Math.Round(level, 4)).Append(0).Distinct().Order().ToArray();
            if (levels.Length == 1) return 1;
            var step = levels.Zip(levels.Skip(1), (low, high) => high - low).Where(difference => difference > 1e-3).Min();
            return Math.Clamp(Math.Round(1 - (1 / (step * heads)), 3), 0, 1);
        }
        finally
        {
            foreach (var (parameter, value) in biases) parameter.set_(value);
        }
    }
}
