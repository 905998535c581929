namespace FilterPruning.Detection.Training;

/// <summary>The terms of a distillation, before they are weighed: scalar float32 tensors with gradients to the student; null where the term's weight is 0. See <see cref="DistillationOptions"/>.</summary>
/// <param name="Features">The pyramid's features.</param>
/// <param name="Objectness">The RPN's objectness.</param>
/// <param name="RpnBoxes">The RPN's offsets.</param>
/// <param name="Classes">The box head's classes.</param>
/// <param name="Boxes">The box head's offsets.</param>
/// <param name="Masks">The masks.</param>
public sealed record DistillationLosses(Tensor? Features, Tensor? Objectness, Tensor? RpnBoxes, Tensor? Classes, Tensor? Boxes, Tensor? Masks) : IDisposable
{
    /// <summary>The weighed sum; a new tensor, the caller's.</summary>
    /// <exception cref="ArgumentException">No term was computed.</exception>
    public Tensor Total(DistillationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        using var scope = NewDisposeScope();
        Tensor[] weighed =
        [
            .. new[]
            {
                (Features, options.Features), (Objectness, options.Objectness), (RpnBoxes, options.RpnBoxes), (Classes, options.Classes), (Boxes, options.Boxes), (Masks, options.Masks),
            }.Where(term => term.Item1 is not null && term.Item2 > 0).Select(term => term.Item1! * term.Item2),
        ];
        if (weighed.Length == 0)
            throw new ArgumentException("No term of the distillation has a weight; give at least one above 0.", nameof(options));
        return weighed.Aggregate((a, b) => a + b).MoveToOuterDisposeScope();
    }

    /// <summary>Disposes the terms.</summary>
    public void Dispose()
    {
        foreach (Tensor? term in Terms)
            term?.Dispose();
    }

    internal DistillationLosses MoveToOuterDisposeScope()
    {
        foreach (Tensor? term in Terms)
            term?.MoveToOuterDisposeScope();
        return this;
    }

    private Tensor?[] Terms => [Features, Objectness, RpnBoxes, Classes, Boxes, Masks];
}
