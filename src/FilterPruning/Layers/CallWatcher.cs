namespace FilterPruning.Layers;

/// <summary>Looks at the calls of a layer, and may exchange what goes in and what comes out.</summary>
/// <param name="Before">Gets the tensors that go in (null where an optional one was left out) and returns those to use instead; null to leave them alone.</param>
/// <param name="After">Gets what went in and what came out and returns what to hand on instead; null to leave it alone.</param>
public sealed record CallWatcher(
    Func<IReadOnlyList<Tensor?>, IReadOnlyList<Tensor?>>? Before,
    Func<IReadOnlyList<Tensor?>, IReadOnlyList<Tensor>, IReadOnlyList<Tensor>>? After);
