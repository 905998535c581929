using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Planning;

namespace FilterPruning.Benchmarks.Speedup;

/// <summary>The layer calls of one forward on one image, and their multiply-accumulates at the widths that a plan leaves. A graph counts for the image it was traced on; this counts for any.</summary>
internal sealed class MacsCount
{
    private readonly List<(TracedLayer Layer, long[] Input, long[] Output)> _calls = [];

    private MacsCount()
    {
    }

    /// <summary>Multiply-accumulates of the forward as it ran.</summary>
    public long Macs { get; private set; }

    /// <summary>Runs a forward and writes its calls down.</summary>
    /// <param name="graph">The graph of the model, which may have been cut since.</param>
    /// <param name="forward">Runs it.</param>
    public static MacsCount Of(DependencyGraph graph, Action forward)
    {
        var count = new MacsCount();
        var hooks = graph.Layers.Select(layer => layer.Rule.Watch(layer.Module, new CallWatcher(null, (inputs, outputs) =>
        {
            count._calls.Add((layer, inputs[0]!.shape, outputs[0].shape));
            return outputs;
        }))).ToList();
        try
        {
            forward();
        }
        finally
        {
            hooks.ForEach(hook => hook.Dispose());
        }

        count.Macs = count._calls.Sum(call => Of(call, call.Layer.Rule.InputSides(call.Layer.Module), call.Layer.Rule.OutputChannels(call.Layer.Module)));
        return count;
    }

    /// <summary>Multiply-accumulates of the same calls after a plan's cut; for layers with one input.</summary>
    public long After(PruningPlan plan)
    {
        var plans = plan.Layers.ToDictionary(layer => layer.Name, StringComparer.Ordinal);
        return _calls.Sum(call => Of(call, [plans[call.Layer.Name].KeptInputs], plans[call.Layer.Name].KeptOutputs));
    }

    private static long Of((TracedLayer Layer, long[] Input, long[] Output) call, IReadOnlyList<int> inputs, int outputs) =>
        call.Layer.Rule.Macs(call.Layer.Module, call.Layer.Rule.Mapping(call.Layer.Module), inputs, outputs, call.Input, call.Output);
}
