using System.Runtime.InteropServices;

namespace FilterPruning.Tracing;

/// <summary>Derivatives of some tensors with respect to many leaves.</summary>
internal static class Gradients
{
    /// <summary>One gradient per leaf, null where the leaf does not reach the outputs. The graph is kept.</summary>
    /// <param name="outputs">Tensors with a history.</param>
    /// <param name="leaves">Leaves whose <c>grad</c> is empty; it is empty again afterwards.</param>
    /// <param name="cotangents">One for each output, of its shape.</param>
    /// <param name="where">What the outputs go into, for messages.</param>
    /// <exception cref="PruningException">Autograd refuses, for instance because in-place code overwrote a value it needs.</exception>
    public static Tensor?[] Of(IReadOnlyList<Tensor> outputs, IReadOnlyList<Tensor> leaves, IReadOnlyList<Tensor> cotangents, string where)
    {
        if (leaves.Count == 0) return [];
        // Not autograd.grad: for every leaf that is not reached it makes a tensor without a handle that TorchSharp counts as alive for ever.
        var gradients = new Tensor?[leaves.Count];
        try
        {
            autograd.backward([.. outputs], [.. cotangents], retain_graph: true, create_graph: false, inputs: [.. leaves]);
        }
        catch (ExternalException error)
        {
            throw new PruningException(
                $"The code before {where} cannot be differentiated: {FirstLine(error.Message)} Code that changes a value in place after it was used, or that runs in inference mode, does this; " +
                "write the result to a new tensor, or use no_grad instead of inference_mode.",
                error);
        }
        finally
        {
            for (var i = 0; i < gradients.Length; i++)
            {
                if (leaves[i].grad is not { } gradient) continue;
                gradients[i] = gradient;
                leaves[i].grad = null;
            }
        }
        return gradients;
    }

    private static string FirstLine(string message)
    {
        var end = message.IndexOf('\n', StringComparison.Ordinal);
        return end < 0 ? message : message[..end];
    }
}
