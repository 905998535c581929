using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Proof;

namespace FilterPruning.Surgery;

/// <summary>Cuts channels out of a model, in place.</summary>
/// <remarks>
/// Modules, parameters and buffers stay the same objects with the same hooks, flags, types and devices; only their shapes change. Gradients of
/// tensors that shrink are cleared. Not thread-safe: nothing else may use the model during a cut; see <see cref="ModelUse"/>, which notices detections.
/// </remarks>
public static class Surgeon
{
    /// <summary>Applies a plan to the traced model and proves that the result equals the model with those channels masked.</summary>
    /// <param name="graph">The graph of the model as it is now. Its forward is run twice, in evaluation mode and without gradients.</param>
    /// <param name="plan">A plan for this architecture. The weights may have changed since it was made.</param>
    /// <param name="options">How the cut is proved; null for the defaults.</param>
    /// <returns>The proof, and the way back. Owned by the caller; dispose it to let go of the removed weights.</returns>
    /// <exception cref="PruningException">
    /// The plan does not fit the model, the model fails to run, or the proof fails; the message names the layers. The model is then as it was.
    /// </exception>
    /// <exception cref="InvalidOperationException">The model runs, or is changed, on another thread; see <see cref="ModelUse"/>. The model is as it was.</exception>
    public static CutResult Apply(DependencyGraph graph, PruningPlan plan, SurgeryOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(plan);
        options ??= new SurgeryOptions();
        options.Validate();
        using var scope = NewDisposeScope();
        var cuts = PlanFit.Prepare(graph, plan);
        var moments = OptimizerMoments.Of(graph.Model, options.Optimizers, cuts);
        using var quiet = new QuietRun(graph.Model, "a cut");
        var snapshot = Snapshot.Take(graph.Model, cuts, moments, options.CanUndo);
        try
        {
            using var proof = new MaskedEquivalence(graph, cuts, options);
            options.Step(PruningStage.Cut, 0, 2);
            Mask(cuts, snapshot, proof.RecordReference);
            options.Step(PruningStage.Cut, 1, 2);
            Narrow(cuts, options.CanUndo ? [] : LetGo(graph, cuts), moments, snapshot, options.Optimizers);
            options.Step(PruningStage.Cut, 2, 2);
            options.Step(PruningStage.Prove, 0, 1);
            var proved = proof.Prove();
            options.Step(PruningStage.Prove, 1, 1);
            if (options.VerifyTrace)
            {
                options.Step(PruningStage.Verify, 0, 1);
                TraceCheck.ThrowUnlessSameTies(graph, cuts);
                options.Step(PruningStage.Verify, 1, 1);
            }

            snapshot.RestoreBuffers();
            options.Step(PruningStage.Report, 0, 1);
            if (options.CanUndo || options.HoldsOn)
                return new CutResult(proved, cuts, snapshot);
            snapshot.Dispose();
            return new CutResult(proved, cuts, null);
        }
        catch (Exception error)
        {
            snapshot.Restore();
            snapshot.Dispose();
            if (error is PruningException or OperationCanceledException)
                throw;
            throw new PruningException($"The cut failed and was taken back: {error.Message.Split('\n')[0]}", error);
        }
    }

    /// <summary>Runs something on the masked self: the model whose layers read nothing from the channels that go.</summary>
    private static void Mask(IReadOnlyList<LayerCut> cuts, Snapshot snapshot, Action run)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        try
        {
            foreach (var tensor in cuts.Where(cut => !cut.IsMaskedByInputs).SelectMany(cut => cut.Tensors).Where(tensor => tensor.Reads))
                tensor.Tensor.set_(tensor.Masked());
            run();
        }
        finally
        {
            snapshot.RestoreValues();
        }
    }

    /// <summary>The layers whose old tensors cannot be held beside the narrowed ones, or there would be more than a copy of the largest layer beside the model; those of which most stays first.</summary>
    private static List<LayerCut> LetGo(DependencyGraph graph, IReadOnlyList<LayerCut> cuts)
    {
        var largest = graph.Layers.Max(layer => layer.Rule.Tensors(layer.Module).Sum(tensor => tensor.Tensor.numel() * tensor.Tensor.ElementSize));
        var beside = cuts.Sum(cut => cut.KeptBytes);
        var letGo = new List<LayerCut>();
        foreach (var cut in cuts.Where(cut => cut.Layer.Rule.ReadsLinearly(cut.Layer.Module) && cut.Tensors.Count > 0).OrderByDescending(cut => cut.KeptBytes).TakeWhile(_ => beside > largest))
        {
            letGo.Add(cut);
            beside -= cut.KeptBytes;
        }

        return letGo;
    }

    private static void Narrow(IReadOnlyList<LayerCut> cuts, List<LayerCut> letGo, OptimizerMoments moments, Snapshot snapshot, IReadOnlyList<optim.Optimizer> optimizers)
    {
        using var scope = NewDisposeScope();
        moments.Narrow();
        // First, while nothing else lies beside the model.
        foreach (var cut in letGo)
        {
            foreach (var tensor in cut.Tensors)
                snapshot.Narrow(tensor);
            cut.Layer.Rule.SetWidths(cut.Layer.Module, cut.Plan.KeptInputs, cut.Plan.KeptOutputs);
            cut.Layer.Rule.AfterCut(cut.Layer.Module, cut.Plan.InputChannels, cut.Plan.OutputChannels);
        }

        foreach (var cut in cuts.Where(cut => cut.Changes).Except(letGo))
        {
            using var copies = NewDisposeScope();
            var (rule, module, plan) = (cut.Layer.Rule, cut.Layer.Module, cut.Plan);
            var narrowed = cut.Tensors.Select(tensor => (tensor.Tensor, Value: tensor.Narrowed())).ToList();
            if (rule.IsExchanged)
            {
                // The fresh native side has values of its own, also where nothing shrinks.
                var shrinking = cut.Tensors.Select(tensor => tensor.Tensor.Handle).ToHashSet();
                narrowed.AddRange(module.named_parameters(recurse: false).Where(entry => !shrinking.Contains(entry.parameter.Handle))
                    .Select(entry => ((Tensor)entry.parameter, entry.parameter.detach().clone())));
                snapshot.Remember(NativeExchange.Make(module, rule, plan.KeptInputs, plan.KeptOutputs, optimizers));
            }

            foreach (var (tensor, value) in narrowed)
                Snapshot.Exchange(tensor, value);
            rule.SetWidths(module, plan.KeptInputs, plan.KeptOutputs);
            rule.AfterCut(module, plan.InputChannels, plan.OutputChannels);
        }
    }
}
