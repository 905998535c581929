using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning.Schedules;

/// <summary>While it lives, a model is its masked self for a plan: its layers read nothing from the channels that would go. Shapes and parameter objects stay.</summary>
internal sealed class MaskedModel : IDisposable
{
    private readonly Snapshot _snapshot;

    public MaskedModel(DependencyGraph graph, PruningPlan plan)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var cuts = PlanFit.Prepare(graph, plan);
        _snapshot = Snapshot.Take(cuts, []);
        try
        {
            foreach (var tensor in cuts.SelectMany(cut => cut.Tensors).Where(tensor => tensor.Inputs is not null))
                tensor.Tensor.set_(tensor.Masked());
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _snapshot.Restore();
        _snapshot.Dispose();
    }
}
