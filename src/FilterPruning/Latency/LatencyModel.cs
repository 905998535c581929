using System.Globalization;
using System.Text;
using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Planning;
using FilterPruning.Proof;

namespace FilterPruning.Latency;

/// <summary>A layer's share of a model's time.</summary>
/// <param name="Name">The layer.</param>
/// <param name="Milliseconds">All its calls in one forward, at full width.</param>
public readonly record struct LayerLatency(string Name, double Milliseconds);

/// <summary>
/// Says how long a forward of a traced model takes on this machine at other widths, from times of its own layers: so that channels are removed where that saves milliseconds, and not only operations.
/// </summary>
/// <remarks>
/// <para>
/// Every layer of one input is timed alone at some widths (<see cref="LatencyOptions.Shares"/>), layers of equal shapes once, on the device they are on; widths in between are interpolated. What a forward takes beyond its
/// layers is shared out by where it happens: what is done in front of a layer (activations, sums, resizing, RoIAlign) makes that layer's input and is taken to fall with its channels; what is done in front of the model's first
/// layer and behind its last (resizing the image, pasting masks), and what every call costs, stays.
/// </para>
/// <para>Layers are timed as they run at the moment: those of a model that is prepared for inference (<see cref="Inference.FusedConvolution"/> and its like) as the one operation they are part of.</para>
/// <para>Times hold for the example that the model was traced on: trace with inputs of the size, and with as many objects, as in use. The model is run in evaluation mode and is afterwards as it was.</para>
/// </remarks>
public sealed class LatencyModel
{
    private const double LongestBesideWider = 1.05;

    private readonly DependencyGraph _graph;
    private readonly Dictionary<string, Part> _parts;
    private readonly double _between;
    private readonly double _fixed;

    private LatencyModel(DependencyGraph graph, Dictionary<string, Part> parts, double whole, IReadOnlyDictionary<string, double> gaps, int multiple)
    {
        (_graph, ChannelMultiple, Measured) = (graph, multiple, whole);
        // Watched layers take longer than alone or not, and gaps with them: what is left beyond the layers is shared out in the gaps' proportions.
        var beyond = Math.Max(0, whole - parts.Values.Sum(part => part.Whole));
        var scale = gaps.Values.Sum() is var all and > 0 ? beyond / all : 0;
        _parts = parts.ToDictionary(entry => entry.Key, entry => entry.Value with { Before = scale * gaps.GetValueOrDefault(entry.Key) }, StringComparer.Ordinal);
        _between = _parts.Values.Sum(part => part.Before);
        _fixed = beyond - _between;
    }

    /// <summary>The median milliseconds of the traced forward, measured whole.</summary>
    public double Measured { get; }

    /// <summary>
    /// The number that widths should be multiples of: the largest of 1, 2, 4, 8, 16 that makes the costliest layers faster than widths in between. 1 where it makes no difference, or was not measured.
    /// </summary>
    public int ChannelMultiple { get; }

    /// <summary>Milliseconds that no removal of channels saves.</summary>
    public double Floor => _fixed;

    /// <summary>The layers that were timed, costliest first.</summary>
    public IReadOnlyList<LayerLatency> Layers => [.. _parts.Select(entry => new LayerLatency(entry.Key, entry.Value.Whole)).OrderByDescending(layer => layer.Milliseconds)];

    /// <summary>Measures a model's layers and its whole forward, in seconds to a minute.</summary>
    /// <param name="graph">The traced model, as it is now; its forward is run some times, in evaluation mode.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellation">Looked at before each layer; nothing is left changed.</param>
    /// <exception cref="PruningOptionsException">Options that cannot be used; lists all of them.</exception>
    /// <exception cref="PruningException">The graph does not fit its model any more, or the cache's file cannot be used.</exception>
    public static LatencyModel Measure(DependencyGraph graph, LatencyOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new LatencyOptions();
        return Measure(graph, options, new LayerTimer(options).Time, LayerTimer.Clock, ForwardGaps.Measure, cancellation);
    }

    /// <summary>The median milliseconds of a traced model's forward as the model is now, cut or prepared for inference since: to hold against <see cref="Of(PruningPlan)"/>.</summary>
    /// <param name="graph">The graph; its forward is run some times, in evaluation mode.</param>
    /// <param name="repeats">How often, after runs to warm up; the median counts. At least 1.</param>
    public static double MeasureForward(DependencyGraph graph, int repeats = 5)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentOutOfRangeException.ThrowIfLessThan(repeats, 1);
        using var quiet = new QuietRun(graph.Model, "a measurement of latencies");
        var device = graph.Model.parameters().Select(parameter => parameter.device).FirstOrDefault() ?? CPU;
        return LayerTimer.Clock(() => RunOnce(graph), device, repeats);
    }

    /// <summary>The same with other clocks.</summary>
    internal static LatencyModel Measure(
        DependencyGraph graph,
        LatencyOptions options,
        Func<TracedLayer, LayerCall, int, int, double> time,
        Func<Action, Device, int, double> clock,
        Func<IReadOnlyList<TracedLayer>, Action, Device, int, IReadOnlyDictionary<string, double>> gaps,
        CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(graph);
        options.Validate();
        GraphChecks.ThrowIfStale(graph);
        using var scope = NewDisposeScope();
        using var quiet = new QuietRun(graph.Model, "a measurement of latencies");
        var device = graph.Model.parameters().Select(parameter => parameter.device).FirstOrDefault() ?? CPU;
        var cache = LatencyCache.Open(options.CachePath);
        var place = LatencyCache.Surroundings(device);
        try
        {
            var timed = graph.Layers.Where(layer => LayerTimer.CanTime(layer) && !LayerTimer.IsDoneByAnother(layer)).ToList();
            var parts = new Dictionary<string, Part>(StringComparer.Ordinal);
            foreach (var layer in timed)
            {
                cancellation.ThrowIfCancellationRequested();
                parts[layer.Name] = Part.Of(layer, options, (call, inputs, outputs, again) =>
                {
                    var key = $"{place}: {Kernel(layer, call)} {inputs}>{outputs}";
                    return again ? cache.Again(key, Time) : cache.Get(key, Time);

                    double Time() => time(layer, call, inputs, outputs);
                });
                options.Progress?.Report(0.9 * parts.Count / timed.Count);
            }

            var whole = clock(() => RunOnce(graph), device, options.Repeats);
            var between = gaps(timed, () => RunOnce(graph), device, options.Repeats);
            var multiple = options.MeasureMultiple ? WidthMultiple.Of(timed, parts.ToDictionary(entry => entry.Key, entry => entry.Value.Whole), (layer, call, inputs, outputs) => cache.Get($"{place}: {Kernel(layer, call)} {inputs}>{outputs}", () => time(layer, call, inputs, outputs))) : 1;
            options.Progress?.Report(1);
            var model = new LatencyModel(graph, parts, whole, between, multiple);
            cache.Save();
            return model;
        }
        catch
        {
            cache.TrySave();
            throw;
        }
    }

    /// <summary>Milliseconds of the traced forward after a plan's cut.</summary>
    /// <param name="plan">A plan for the model that was measured.</param>
    /// <exception cref="ArgumentException">It is for another model.</exception>
    public double Of(PruningPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return Of(plan.Layers);
    }

    /// <summary>Milliseconds of the traced forward after layers lost channels: an <see cref="Schedules.AllocationOptions.Cost"/>.</summary>
    /// <param name="layers">What each layer loses; layers that are not named keep all.</param>
    /// <exception cref="ArgumentException">A layer of the model has other widths there.</exception>
    public double Of(IReadOnlyList<LayerPlan> layers)
    {
        ArgumentNullException.ThrowIfNull(layers);
        var total = _fixed;
        foreach (var part in _parts.Values)
            total += part.Whole + part.Before;
        foreach (var layer in layers)
        {
            if (!_parts.TryGetValue(layer.Name, out var part))
                continue;
            if (layer.InputChannels != part.InputChannels || layer.OutputChannels != part.OutputChannels)
                throw new ArgumentException($"'{layer.Name}' has {layer.InputChannels} input and {layer.OutputChannels} output channels in the plan, and {part.InputChannels} and {part.OutputChannels} in the model that was measured. Give a plan for that model.", nameof(layers));
            total += part.Of(layer.KeptInputs, Filled(part, layer.KeptOutputs)) - part.Whole - part.Before;
        }

        return total;
    }

    /// <summary>Microseconds of one layer at other widths, with what is done in front of it; for searches that add layers up.</summary>
    internal double Microseconds(TracedLayer layer, int inputs, int outputs) => _parts.TryGetValue(layer.Name, out var part) ? 1000 * part.Of(inputs, Filled(part, outputs)) : 0;

    /// <summary>Microseconds of everything that is not one of the layers.</summary>
    internal double FixedMicroseconds => 1000 * _fixed;

    /// <summary>Whether this was measured on the model of a graph.</summary>
    internal bool IsOf(DependencyGraph graph) => ReferenceEquals(graph.Model, _graph.Model);

    /// <summary>The whole and the costliest layers, as text.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Measured:0.00} ms a forward; {_parts.Values.Sum(part => part.Whole):0.00} ms in layers, {_between:0.00} ms between them, {_fixed:0.00} ms fixed. Widths in multiples of {ChannelMultiple}.");
        foreach (var layer in Layers.Take(10))
            text.AppendLine(CultureInfo.InvariantCulture, $"{layer.Milliseconds,9:0.00} ms  {layer.Name}");
        return text.ToString();
    }

    // Where kernels were found to work in multiples, outputs between two of them take as long as the next.
    private int Filled(Part part, int outputs) => Math.Min(part.OutputChannels, (outputs + ChannelMultiple - 1) / ChannelMultiple * ChannelMultiple);

    private static void RunOnce(DependencyGraph graph)
    {
        using var scope = NewDisposeScope();
        graph.RunForward();
    }

    // Calls of equal kernels take equal time.
    private static string Kernel(TracedLayer layer, LayerCall call)
    {
        var tensors = layer.Rule.Tensors(layer.Module).Select(tensor => $"{tensor.Name}[{string.Join(',', tensor.Tensor.shape)}] {tensor.Tensor.dtype}");
        return $"{(LayerTimer.IsPrepared(layer) ? "prepared " : "")}{layer.Kind} {string.Join(' ', tensors)} [{string.Join(',', call.InputShape)}]>[{string.Join(',', call.OutputShape)}]";
    }

    /// <summary>A layer with the times of its calls.</summary>
    private sealed record Part(int InputChannels, int OutputChannels, IReadOnlyList<LatencyGrid> Calls)
    {
        /// <summary>The calls, without what is done in front of them.</summary>
        public double Whole { get; } = Calls.Sum(call => call.Whole);

        /// <summary>What is done in front of the calls, with all inputs.</summary>
        public double Before { get; init; }

        /// <summary>The calls and what is done in front of them.</summary>
        public double Of(int inputs, int outputs)
        {
            var total = Before * inputs / InputChannels;
            foreach (var call in Calls)
                total += call.Of(inputs, outputs);
            return total;
        }

        public static Part Of(TracedLayer layer, LatencyOptions options, Func<LayerCall, int, int, bool, double> time)
        {
            var passes = layer.Mapping == ChannelMapping.ChannelWise;
            var inputs = Widths(layer.InputChannels, options.Shares);
            var outputs = passes ? [] : Widths(layer.OutputChannels, options.Shares);
            var grids = layer.Calls.Select(call => new LatencyGrid(inputs, outputs, Times(call))).ToList();
            return new Part(layer.InputChannels, layer.OutputChannels, grids);

            double[] Times(LayerCall call)
            {
                var row = Math.Max(1, outputs.Length);
                var times = Enumerable.Range(0, inputs.Length * row).Select(at => At(at, again: false)).ToArray();
                // Where a narrower layer seems to take longer, something else may have taken the processor: it is timed once more.
                var wider = new double[times.Length];
                for (var at = times.Length - 1; at >= 0; at--)
                {
                    wider[at] = Math.Min((at + 1) % row > 0 ? wider[at + 1] : double.PositiveInfinity, at + row < times.Length ? wider[at + row] : double.PositiveInfinity);
                    if (times[at] > LongestBesideWider * wider[at])
                        times[at] = At(at, again: true);
                    wider[at] = Math.Min(wider[at], times[at]);
                }

                return times;

                double At(int at, bool again) => time(call, inputs[at / row], passes ? inputs[at] : outputs[at % row], again);
            }
        }

        private static int[] Widths(int channels, IReadOnlyList<double> shares) => [.. shares.Select(share => Math.Max(1, (int)Math.Round(share * channels))).Distinct()];
    }
}
