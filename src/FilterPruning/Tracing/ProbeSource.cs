namespace FilterPruning.Tracing;

/// <summary>A leaf whose influence is looked for, and the axis of its channels; without an axis the leaf is one unit.</summary>
internal readonly record struct ProbeSource(Tensor Leaf, int? Axis, int Id)
{
    public int Units => Axis is { } axis ? (int)Leaf.shape[axis] : 1;

    /// <summary>A gradient of the leaf as a matrix [units, elements of each].</summary>
    public Tensor Rows(Tensor gradient) => Axis is { } axis ? gradient.movedim([axis], [0]).reshape(Units, -1) : gradient.reshape(1, -1);
}

/// <summary>What one source was seen to reach.</summary>
/// <param name="Source">The source.</param>
/// <param name="Exact">Pairs (unit, channel) that belong together: the unit has an element that reaches nothing outside the unit's own channels, of which this is one.</param>
/// <param name="Mixed">Units with an element that reaches several channels that could not be told to be its own, with those channels.</param>
internal sealed record Reach(ProbeSource Source, IReadOnlyList<(int Unit, int Channel)> Exact, IReadOnlyList<(int Unit, int[] Channels)> Mixed)
{
    /// <summary>For a source without a known axis: the axis whose positions reach one channel each, none twice. The units of <see cref="Exact"/> are then positions along it.</summary>
    public int? FoundAxis { get; init; }
}
