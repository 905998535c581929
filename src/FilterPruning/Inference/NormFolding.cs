using System.Runtime.CompilerServices;
using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Inference;

/// <summary>
/// Folds norms with constant statistics into the layers before them: <c>W' = γ/σ · W</c>, <c>b' = β + γ/σ · (b − μ)</c>, so that <c>norm(layer(x))</c> becomes <c>layer'(x)</c>. Works for every model: which norm
/// reads which layer is seen in a forward, not guessed from names.
/// </summary>
/// <remarks>
/// <para>Folded are convolutions, transposed convolutions and linear layers whose output goes into one norm and nowhere else. A norm that implements <see cref="IConstantNorm"/> then hands its input through; a <c>BatchNorm</c> of
/// TorchSharp keeps its place and becomes the exact identity. Whatever cannot be folded stays, with the reason.</para>
/// <para>For the fastest convolutions use <see cref="FusedConvolution"/> in one's own modules instead: it leaves the weights alone and folds beside them.</para>
/// </remarks>
public static class NormFolding
{
    private static readonly ConditionalWeakTable<nn.Module, FoldedNorms> _folded = [];

    /// <summary>Folds the norms of a model that takes one tensor.</summary>
    /// <param name="model">In evaluation mode. Its parameters stay the same objects; layers without a bias get one.</param>
    /// <param name="example">An input of the shape, dtype and device the model is used with; stays the caller's.</param>
    /// <returns>What was folded, and the way back.</returns>
    /// <exception cref="PruningException">The model is in training mode, was folded before, or its forward throws. It is then as it was.</exception>
    public static FoldedNorms Apply(nn.Module<Tensor, Tensor> model, Tensor example)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(example);
        return Apply(model, () => model.call(example));
    }

    /// <summary>Folds the norms of any model by a function that runs it.</summary>
    /// <inheritdoc cref="Apply(nn.Module{Tensor, Tensor}, Tensor)"/>
    /// <param name="model">In evaluation mode. Its parameters stay the same objects; layers without a bias get one.</param>
    /// <param name="forward">Runs the model on inputs of its own choice, the same each time, and returns everything the model answers.</param>
    public static FoldedNorms Apply<TModel>(TModel model, Func<TModel, object?> forward)
        where TModel : nn.Module
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(forward);
        return Apply(model, () => forward(model));
    }

    /// <summary>Folds the norms of a traced model, with the forward that the graph was traced with.</summary>
    /// <inheritdoc cref="Apply(nn.Module{Tensor, Tensor}, Tensor)"/>
    /// <param name="graph">The graph. It describes the folded model as well: folding changes no width.</param>
    public static FoldedNorms Apply(DependencyGraph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        return Apply(graph.Model, graph.RunForward);
    }

    internal static void Forget(nn.Module model) => _folded.Remove(model);

    private static FoldedNorms Apply(nn.Module model, Func<object?> forward)
    {
        if (model.training)
            throw new PruningException("The model is in training mode, in which norms use the statistics of each batch and cannot be folded. Call eval() first.");
        if (_folded.TryGetValue(model, out _))
            throw new PruningException($"The model's norms are folded already. Call {nameof(FoldedNorms.Undo)} on the earlier result first.");
        using var alone = ModelUse.Change(model, "the folding of norms");
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var (pairs, kept) = NormPairs.Find(model, forward);
        var folded = new FoldedNorms(model, pairs, kept);
        _folded.Add(model, folded);
        return folded;
    }
}
