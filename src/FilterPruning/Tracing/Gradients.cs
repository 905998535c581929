using System.Runtime.InteropServices;

namespace FilterPruning.Tracing;

/// <summary>Derivatives of some tensors with respect to many leaves.</summary>
internal static class Gradients
{
    /// <summary>One gradient per leaf, null where the leaf does not reach the outputs. The graph is kept.</summary>
    /// <param name="outputs">Tensors with a history.</param>
    /// <param name="leaves">Leaves whose <c>grad</c> is empty; it is empty again afterwards.</param>
    /// <param name="cotangents">One for each output, of its shape.</param>
    /// <param name="besides">More leaves; whatever reaches them is added to their <c>grad</c> and stays there.</param>
    /// <exception cref="NotDifferentiableException">Autograd refuses, for instance because in-place code overwrote a value it needs.</exception>
    public static Tensor?[] Of(IReadOnlyList<Tensor> outputs, IReadOnlyList<Tensor> leaves, IReadOnlyList<Tensor> cotangents, IReadOnlyList<Tensor>? besides = null)
    {
        if (leaves.Count == 0) return [];
        // Not autograd.grad: for every leaf that is not reached it makes a tensor without a handle that TorchSharp counts as alive for ever.
        var gradients = new Tensor?[leaves.Count];
        try
        {
            autograd.backward([.. outputs], [.. cotangents], retain_graph: true, create_graph: false, inputs: [.. leaves, .. besides ?? []]);
        }
        catch (ExternalException error)
        {
            throw new NotDifferentiableException(FirstLine(error.Message), error);
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

/// <summary>Code between two layers has no derivative that autograd can compute. What it connects is pinned, not guessed.</summary>
internal sealed class NotDifferentiableException(string message, Exception inner) : Exception(message, inner);
