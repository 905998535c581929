using FilterPruning.Criteria;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Study;

/// <summary>What can be cut from a model some of whose kernels are zero.</summary>
/// <param name="Unmade">Channel groups that no filter makes any more.</param>
/// <param name="Unread">Channel groups that no filter reads any more.</param>
/// <param name="Compression">Parameters before / after these groups are cut.</param>
internal sealed record KernelCut(int Unmade, int Unread, double Compression)
{
    /// <summary>Looks for dead groups and plans their removal.</summary>
    public static KernelCut Of(MaskRcnnModel model, DependencyGraph graph, KernelRanking ranking)
    {
        var (unmade, unread) = ranking.DeadGroups(model);
        var dead = unmade.Union(unread).ToHashSet();
        var plan = Plan(graph, dead);
        return new KernelCut(unmade.Count, unread.Count, (double)plan.Before.Parameters / plan.Predicted.Parameters);
    }

    /// <summary>The plan that removes just these groups, but for the last one of a layer.</summary>
    private static PruningPlan Plan(DependencyGraph graph, HashSet<int> dead)
    {
        var free = graph.Groups.Count(group => group.Pin is null);
        var options = new PruningOptions { Scope = PruningScope.Global, Reduction = GroupReduction.Max, Criterion = new Marks(graph, dead) };
        var count = dead.Count;
        while (true)
        {
            var plan = PruningPlanner.CreatePlan(graph, options with { Ratio = (double)count / free });
            var live = plan.Layers.Sum(layer => layer.RemovedOutputs.Count) == 0 ? 0 : LiveRemoved(graph, plan, dead);
            if (live == 0)
                return plan;
            count -= live;
        }
    }

    private static int LiveRemoved(DependencyGraph graph, PruningPlan plan, HashSet<int> dead)
    {
        var removed = plan.Layers.ToDictionary(layer => layer.Name, layer => layer.RemovedOutputs.ToHashSet(), StringComparer.Ordinal);
        return graph.Groups.Count(group => !dead.Contains(group.Index) && group.Members.Any(member => member.Axis == ChannelAxis.Output && removed[member.Layer].Contains(member.Channel)));
    }

    /// <summary>0 for the filters of dead groups, 1 for all others.</summary>
    private sealed class Marks(DependencyGraph graph, HashSet<int> dead) : IPruningCriterion
    {
        private readonly ILookup<string, int> _channels = graph.Groups.Where(group => dead.Contains(group.Index))
            .SelectMany(group => group.Members.Where(member => member.Axis == ChannelAxis.Output)).ToLookup(member => member.Layer, member => member.Channel, StringComparer.Ordinal);

        public string Name => "dead";

        public Tensor Score(FilterBank filters)
        {
            var scores = new float[filters.Count];
            Array.Fill(scores, 1);
            foreach (var channel in _channels[filters.LayerName])
                scores[channel] = 0;
            return tensor(scores);
        }
    }
}
