using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Models;

/// <summary>A random sample of matched boxes, as indices.</summary>
internal static class Sampling
{
    /// <summary>Draws from what a <see cref="Matcher"/> gave; boxes between the thresholds are never drawn. Moved to the caller's scope.</summary>
    /// <param name="sampler">How many, and how many of them foreground.</param>
    /// <param name="matches">int64 <c>[boxes]</c>: the matched object, or one of the matcher's negative marks.</param>
    /// <param name="generator">The source of randomness.</param>
    /// <returns>Ascending indices, int64, of the foreground and of the background.</returns>
    public static (Tensor Positive, Tensor Negative) Draw(BalancedSampler sampler, Tensor matches, Generator generator)
    {
        using var scope = NewDisposeScope();
        var labels = matches.ge(0).to(int64) - matches.eq(Matcher.BetweenThresholds).to(int64);
        var (positive, negative) = sampler.Sample([labels], generator);
        return (positive[0].nonzero().squeeze(1).MoveToOuterDisposeScope(), negative[0].nonzero().squeeze(1).MoveToOuterDisposeScope());
    }
}
