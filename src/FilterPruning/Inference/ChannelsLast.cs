namespace FilterPruning.Inference;

/// <summary>The layout in which the channels of a place lie side by side, what PyTorch calls <c>channels_last</c>. TorchSharp has no name for it.</summary>
public static class ChannelsLast
{
    /// <summary>Whether a tensor's channels lie innermost, without gaps.</summary>
    /// <param name="tensor"><c>[N, C, H, W]</c>.</param>
    public static bool Is(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.dim() != 4)
            return false;
        using var moved = tensor.permute(0, 2, 3, 1);
        return moved.is_contiguous();
    }

    /// <summary>The same values with the channels innermost; differentiable. A copy unless they lie so already.</summary>
    /// <param name="tensor"><c>[N, C, H, W]</c>; stays the caller's.</param>
    /// <returns><c>[N, C, H, W]</c>, in the current scope.</returns>
    public static Tensor Of(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return tensor.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);
    }
}
