namespace FilterPruning.Layers;

/// <summary>What a tensor of a layer is for.</summary>
public enum TensorRole
{
    /// <summary>A weight or a bias, trainable or frozen. Counted as parameters.</summary>
    Weight,

    /// <summary>A running statistic. Shrinks with its channels, is not counted as parameters.</summary>
    Statistic,
}

/// <summary>One parameter or buffer of a layer and the axes along which its channels lie.</summary>
/// <param name="Name">The tensor's name within the layer, as in its state dict (<c>weight</c>, <c>running_mean</c>).</param>
/// <param name="Tensor">The layer's own tensor; not owned by this record.</param>
/// <param name="OutputAxis">The axis of the output channels, or null when the tensor has none.</param>
/// <param name="InputAxis">The axis of the input channels, or null when the tensor has none.</param>
/// <param name="Role">Weight or statistic.</param>
/// <remarks>In a grouped layer one axis of a weight holds the channels of one block alone: the input axis (<c>[out, in / groups, …]</c>), or, transposed, the output axis (<c>[in, out / groups, …]</c>).</remarks>
public sealed record ChannelTensor(string Name, Tensor Tensor, int? OutputAxis, int? InputAxis, TensorRole Role = TensorRole.Weight);
