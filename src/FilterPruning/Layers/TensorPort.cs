using FilterPruning.Graph;

namespace FilterPruning.Layers;

/// <summary>Where the channels lie in one tensor that goes into a layer call or comes out of it.</summary>
/// <param name="Index">Which of the call's tensors, from 0.</param>
/// <param name="Axis">The non-negative axis of its channels.</param>
/// <param name="Side">
/// Whose channels. Usually <see cref="ChannelAxis.Input"/> for tensors that go in and <see cref="ChannelAxis.Output"/> for those that come out; the initial state that goes into a
/// recurrent layer has that layer's output channels.
/// </param>
/// <remarks>Position <c>p</c> belongs to channel <c>Offset + p mod Count</c>, as in <see cref="TensorAxis"/>.</remarks>
public sealed record TensorPort(int Index, int Axis, ChannelAxis Side)
{
    /// <summary>The first channel; default 0.</summary>
    public int Offset { get; init; }

    /// <summary>How many channels; null for all of the side.</summary>
    public int? Count { get; init; }

    /// <summary>The channel of a position.</summary>
    internal int Channel(int position) => Offset + (Count is { } count ? position % count : position);
}
