namespace FilterPruning.Graph;

/// <summary>The side of a layer.</summary>
public enum ChannelAxis
{
    /// <summary>The channels that go in.</summary>
    Input,

    /// <summary>The channels that come out: the filters.</summary>
    Output,
}

/// <summary>One unit of a group: a channel on one side of a layer.</summary>
/// <param name="Layer">The layer's path in the model.</param>
/// <param name="Axis">The side.</param>
/// <param name="Channel">The channel's index, from 0.</param>
public readonly record struct ChannelMember(string Layer, ChannelAxis Axis, int Channel);

/// <summary>Channels that can only be kept or removed together: a connected component of ties.</summary>
public sealed class ChannelGroup
{
    internal ChannelGroup(int index, IReadOnlyList<ChannelMember> members, Pin? pin)
    {
        Index = index;
        Members = members;
        Pin = pin;
    }

    /// <summary>The group's position in <see cref="DependencyGraph.Groups"/>.</summary>
    public int Index { get; }

    /// <summary>
    /// Every unit of the group, in data order of the layers. A channel-wise layer's channel is one unit and is listed once, as
    /// <see cref="ChannelAxis.Output"/>.
    /// </summary>
    public IReadOnlyList<ChannelMember> Members { get; }

    /// <summary>Why the group must stay, or null when it may be removed.</summary>
    public Pin? Pin { get; }
}
