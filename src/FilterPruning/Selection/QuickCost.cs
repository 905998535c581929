using FilterPruning.Graph;
using FilterPruning.Latency;
using FilterPruning.Layers;
using FilterPruning.Planning;
using FilterPruning.Storage;

namespace FilterPruning.Selection;

/// <summary>
/// What <see cref="CostMeter"/> says, from widths alone, in microseconds: for models whose layers' costs depend on how many channels go and not on which.
/// </summary>
internal sealed class QuickCost
{
    private readonly List<Part> _parts = [];
    private readonly double _rest;

    private QuickCost(double rest) => _rest = rest;

    /// <summary>For multiply-accumulates, parameters or latency; null where which channels go matters.</summary>
    public static QuickCost? Create(DependencyGraph graph, IReadOnlyList<PlanRole> roles, TargetMeasure measure, LatencyModel? latency = null)
    {
        if (measure is not (TargetMeasure.Macs or TargetMeasure.Parameters or TargetMeasure.Latency))
            return null;
        var seen = new HashSet<IntPtr>();
        var parts = new List<Part>();
        foreach (var layer in graph.Layers)
        {
            var tensors = layer.Rule.Tensors(layer.Module);
            if (layer.Rule.InputSides(layer.Module).Count != 1 || tensors.Any(tensor => tensor.Axes.Any(axis => axis.Offset != 0 || axis.Count is not null)))
                return null;
            List<ChannelTensor> own = [];
            foreach (var tensor in tensors)
            {
                if (!seen.Add(tensor.Tensor.Identity()))
                    return null;
                if (tensor.Role == TensorRole.Weight)
                    own.Add(tensor);
            }

            var passes = layer.Mapping == ChannelMapping.ChannelWise;
            var sides = roles.SelectMany((role, index) => role.Sides.Where(side => side.Layer == layer.Name).Select(side => (Role: index, side.Axis, side.Channels))).ToList();
            parts.Add(new Part(
                layer,
                [.. sides.Where(side => passes || side.Axis == ChannelAxis.Input).Select(side => (side.Role, side.Channels))],
                [.. sides.Where(side => passes || side.Axis == ChannelAxis.Output).Select(side => (side.Role, side.Channels))],
                [.. own.Select(tensor => (tensor.Tensor.numel(), tensor.Axes.Select(axis => axis.Side == ChannelAxis.Input).ToArray()))],
                [.. layer.Calls.Select(call => (call.InputShape.ToArray(), call.OutputShape.ToArray()))]));
        }

        if (measure == TargetMeasure.Latency)
        {
            var time = new QuickCost(latency!.FixedMicroseconds);
            time._parts.AddRange(parts.Select(part => part with { Time = latency.Microseconds }));
            return time;
        }

        var others = measure == TargetMeasure.Parameters ? graph.Model.parameters().Where(parameter => seen.Add(parameter.Identity())).Sum(parameter => parameter.numel()) : 0;
        var cost = new QuickCost(others);
        cost._parts.AddRange(parts.Select(part => part with { Macs = measure == TargetMeasure.Macs }));
        return cost;
    }

    /// <summary>The cost when each role lost so many groups.</summary>
    public double Of(int[] counts)
    {
        var total = _rest;
        foreach (var part in _parts)
            total += part.Cost(counts);
        return total;
    }

    private sealed record Part(
        TracedLayer Layer, (int Role, int Channels)[] Inputs, (int Role, int Channels)[] Outputs, (long Size, bool[] InputAxes)[] Weights, (long[] Input, long[] Output)[] Calls)
    {
        public bool Macs { get; init; }

        public Func<TracedLayer, int, int, double>? Time { get; init; }

        public double Cost(int[] counts)
        {
            var (inputs, outputs) = (Layer.InputChannels, Layer.OutputChannels);
            foreach (var (role, channels) in Inputs)
                inputs -= counts[role] * channels;
            foreach (var (role, channels) in Outputs)
                outputs -= counts[role] * channels;
            if (Time is not null)
                return Time(Layer, inputs, outputs);
            var total = 0L;
            if (Macs)
            {
                foreach (var (input, output) in Calls)
                    total += Layer.Rule.Macs(Layer.Module, Layer.Mapping, [inputs], outputs, input, output);
                return total;
            }

            foreach (var (size, inputAxes) in Weights)
            {
                var left = size;
                foreach (var isInput in inputAxes)
                    left = isInput ? left * inputs / Layer.InputChannels : left * outputs / Layer.OutputChannels;
                total += left;
            }

            return total;
        }
    }
}
