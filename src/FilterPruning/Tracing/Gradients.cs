namespace FilterPruning.Tracing;

/// <summary>Derivatives of one tensor, or several, with respect to many leaves.</summary>
internal static class Gradients
{
    /// <summary>One gradient per leaf, null where the leaf does not reach the outputs. The graph is kept.</summary>
    /// <exception cref="PruningException">Autograd refuses, for instance because in-place code overwrote a value it needs.</exception>
    public static Tensor?[] Of(IReadOnlyList<Tensor> outputs, IReadOnlyList<Tensor> leaves, IReadOnlyList<Tensor> cotangents, string where)
    {
        if (leaves.Count == 0) return [];
        IList<Tensor> gradients;
        try
        {
            gradients = autograd.grad([.. outputs], [.. leaves], [.. cotangents], retain_graph: true, create_graph: false, allow_unused: true);
        }
        catch (System.Runtime.InteropServices.ExternalException error)
        {
            throw new PruningException(
                $"The code before {where} cannot be differentiated: {FirstLine(error.Message)} Code that changes a value in place after it was used, or that runs in inference mode, does this; " +
                "write the result to a new tensor, or use no_grad instead of inference_mode.",
                error);
        }
        // An unused leaf's gradient has no handle; touching it throws.
        return gradients.Select(gradient => gradient is null || gradient.IsInvalid ? null : gradient).ToArray();
    }

    private static string FirstLine(string message)
    {
        var end = message.IndexOf('\n', StringComparison.Ordinal);
        return end < 0 ? message : message[..end];
    }
}
