using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Surgery;
using FilterPruning.Tracing;

namespace FilterPruning.Proof;

/// <summary>Proves that a pruned model equals its masked self: the model whose layers read nothing from the removed channels.</summary>
internal sealed class MaskedEquivalence(DependencyGraph graph, IReadOnlyList<LayerCut> cuts, SurgeryOptions options) : IDisposable
{
    private const int Seed = 20240229;

    /// <summary>Scales of made-up values: a detector's threshold wants large ones, a saturating gate small ones.</summary>
    private static readonly double[] Scales = [3, 1, 0.3];

    private readonly List<ReferenceRun> _references = [];
    private readonly List<LayerAlone> _alone = [];

    /// <summary>Runs the masked model and writes down what it does. To be called while the model is masked.</summary>
    public void RecordReference()
    {
        _references.Add(ReferenceRun.Record(graph, cuts, Seed));
        var changed = Enumerable.Range(0, cuts.Count).Where(i => cuts[i].Changes && cuts[i].Layer.Rule is not BareTensorRule).ToList();
        // What only training calls no forward reaches in evaluation mode.
        _alone.AddRange(changed.Where(i => cuts[i].Layer.Calls.Count == 0).Select(layer => LayerAlone.Record(layer, cuts[layer], Seed)));
        var missing = changed.Where(i => cuts[i].Layer.Calls.Count > 0).ToHashSet();
        missing.ExceptWith(_references[0].Exercised);
        foreach (var scale in Scales)
        {
            if (missing.Count == 0)
                return;
            if (TryRecordMadeUp(scale) is not { } run)
                continue;
            _references.Add(run);
            missing.ExceptWith(run.Exercised);
        }

        _alone.AddRange(missing.Order().Select(layer => LayerAlone.Record(layer, cuts[layer], Seed)));
    }

    /// <summary>Runs the pruned model along the records. To be called after the cut.</summary>
    /// <exception cref="PruningException">The models differ; names the layers.</exception>
    public EquivalenceProof Prove()
    {
        var ledger = new ProofLedger(graph, options.Tolerance);
        foreach (var reference in _references)
            reference.Follow(ledger);
        foreach (var layer in _alone)
            layer.Follow(ledger);
        return ledger.Close([.. _alone.Select(layer => layer.Name)]);
    }

    public void Dispose()
    {
        foreach (var reference in _references)
            reference.Dispose();
        foreach (var layer in _alone)
            layer.Dispose();
    }

    /// <summary>A run on made-up values; null when the forward cannot bear them, which says nothing about the cut.</summary>
    private ReferenceRun? TryRecordMadeUp(double scale)
    {
        try
        {
            // A generator of its own: what the forward itself draws must be the same in both runs.
            using var generator = new Generator(Seed, CPU);
            return ReferenceRun.Record(graph, cuts, Seed, new PortValues(generator, scale / 2, scale));
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            return null;
        }
    }
}
