namespace FilterPruning.Criteria;

/// <summary>The filters of one layer: one slice of a weight for every output channel.</summary>
/// <param name="LayerName">The layer's path in the model.</param>
/// <param name="Module">The layer; owned by the model.</param>
/// <param name="Weight">The layer's weight, of any floating-point type and on any device; owned by the layer.</param>
/// <param name="FilterAxis">The axis of <paramref name="Weight"/> along which the filters lie.</param>
/// <param name="Count">The number of filters: the layer's output channels.</param>
public sealed record FilterBank(string LayerName, nn.Module Module, Tensor Weight, int FilterAxis, int Count)
{
    /// <summary>The filters as rows of a matrix.</summary>
    /// <returns>[<see cref="Count"/>, numbers per filter], of the weight's type and device, without a gradient; possibly a view of the weight. Owned by the caller.</returns>
    /// <remarks>
    /// A grouped transposed convolution keeps its weight as [in, out / groups, …]: the filters of block <c>g</c> are slices of the rows of that block.
    /// </remarks>
    /// <exception cref="PruningException">The weight's shape does not hold <see cref="Count"/> filters along <see cref="FilterAxis"/>.</exception>
    public Tensor AsMatrix()
    {
        using var scope = NewDisposeScope();
        var weight = Weight.detach();
        var slices = weight.shape[FilterAxis];
        if (slices == Count)
            return weight.transpose(0, FilterAxis).reshape(Count, -1).MoveToOuterDisposeScope();  // [out, in · kernel]

        if (Count > 0 && slices % Count == 0)                                                    // [repeats · out, …], for instance four gates
            return weight.transpose(0, FilterAxis).reshape(slices / Count, Count, -1).transpose(0, 1).reshape(Count, -1).MoveToOuterDisposeScope();

        var blocks = slices == 0 ? 0 : Count / slices;
        if (blocks == 0 || blocks * slices != Count || FilterAxis != 1 || weight.shape[0] % blocks != 0)
        {
            throw new PruningException(
                $"The weight of layer '{LayerName}' has shape [{string.Join(", ", weight.shape)}], which does not hold {Count} filters along axis {FilterAxis}. Correct the layer's rule.");
        }

        return weight.reshape(blocks, weight.shape[0] / blocks, slices, -1)                      // [groups, in / groups, out / groups, kernel]
            .transpose(1, 2).reshape(Count, -1).MoveToOuterDisposeScope();                       // [out, in / groups · kernel]
    }
}
