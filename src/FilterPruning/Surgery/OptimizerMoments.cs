using TorchSharp.Modules;

namespace FilterPruning.Surgery;

/// <summary>
/// What optimizers keep for the parameters of a model: momenta, second moments, step counts. Tensors of a parameter's shape are cut with it, so that training
/// goes on where it was, and everything comes back with an undo. Learning rates and parameter groups are never touched.
/// </summary>
/// <remarks>Nothing is changed by creating one; from then on <see cref="Restore"/> leads back, until it is disposed.</remarks>
internal sealed class OptimizerMoments : IDisposable
{
    private readonly List<ParameterState> _states = [];

    private OptimizerMoments()
    {
    }

    /// <summary>Nothing to keep: no optimizers.</summary>
    public static OptimizerMoments None => new();

    /// <summary>Finds what must shrink when these tensors do, and remembers it.</summary>
    /// <param name="model">The model; states of other models' parameters are left alone.</param>
    /// <param name="optimizers">Optimizers of TorchSharp, or derived from <see cref="OptimizerHelper"/>.</param>
    /// <param name="cuts">The cut of each layer.</param>
    /// <exception cref="PruningException">An optimizer keeps something that cannot be cut; the message names it.</exception>
    public static OptimizerMoments Of(nn.Module model, IReadOnlyList<optim.Optimizer> optimizers, IReadOnlyList<LayerCut> cuts)
        => optimizers.Count == 0 ? None : Of(model.parameters().Select(parameter => parameter.Handle), optimizers, cuts);

    /// <summary>Cuts what an optimizer keeps for parameters that were cut already.</summary>
    public static void CutLate(optim.Optimizer optimizer, IReadOnlyList<LayerCut> cuts)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        new SurgeryOptions { Optimizers = [optimizer] }.Validate();
        using var moments = Of([], [optimizer], cuts);
        try
        {
            moments.Narrow();
            // A native layer's parameters stand for other native tensors since the cut.
            OptimizerInternals.Rekey((OptimizerHelper)optimizer);
        }
        catch
        {
            moments.Restore();
            throw;
        }
    }

    /// <summary>Cuts the averages of every parameter that shrinks.</summary>
    public void Narrow() => _states.ForEach(state => state.Narrow());

    /// <summary>Gives optimizers everything back, tensors and step counts, bit by bit.</summary>
    public void Restore() => _states.ForEach(state => state.Restore());

    public void Dispose()
    {
        _states.ForEach(state => state.Dispose());
        _states.Clear();
    }

    private static OptimizerMoments Of(IEnumerable<IntPtr> parameters, IReadOnlyList<optim.Optimizer> optimizers, IReadOnlyList<LayerCut> cuts)
    {
        var shrinking = new Dictionary<IntPtr, (TensorCut Cut, string Layer)>();
        foreach (var cut in cuts)
        {
            foreach (var tensor in cut.Tensors.Where(tensor => !tensor.Tensor.IsInvalid))
                shrinking.TryAdd(tensor.Tensor.Handle, (tensor, cut.Layer.Name));
        }

        var own = parameters.Concat(shrinking.Keys).ToHashSet();
        var moments = new OptimizerMoments();
        try
        {
            foreach (var optimizer in optimizers.Cast<OptimizerHelper>().Distinct<OptimizerHelper>(ReferenceEqualityComparer.Instance))
                moments.Read(optimizer, own, shrinking);
            return moments;
        }
        catch
        {
            moments.Dispose();
            throw;
        }
    }

    private void Read(OptimizerHelper optimizer, HashSet<IntPtr> own, Dictionary<IntPtr, (TensorCut Cut, string Layer)> shrinking)
    {
        foreach (var (_, state) in OptimizerInternals.States(optimizer))
        {
            var parameter = OptimizerInternals.Parameter(state);
            if (parameter.IsInvalid || !own.Contains(parameter.Handle))
                continue;
            var handle = parameter.Handle;
            var (cut, layer) = shrinking.GetValueOrDefault(handle);
            _states.Add(new ParameterState(optimizer, state, cut, layer ?? ""));
        }
    }
}
