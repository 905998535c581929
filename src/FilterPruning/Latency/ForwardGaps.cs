using System.Diagnostics;
using FilterPruning.Graph;
using FilterPruning.Inference;
using FilterPruning.Layers;
using MathNet.Numerics.Statistics;

namespace FilterPruning.Latency;

/// <summary>What a forward does between its layers, timed by where it happens: what lies in front of a layer makes that layer's input.</summary>
internal sealed class ForwardGaps
{
    private readonly Dictionary<nn.Module, string> _names = new(ReferenceEqualityComparer.Instance);
    private readonly Func<double> _now;
    private readonly Dictionary<string, (double Milliseconds, int Calls)> _round = new(StringComparer.Ordinal);
    private double _last;

    private ForwardGaps(IReadOnlyList<TracedLayer> layers, Func<double> now)
    {
        _now = now;
        foreach (var layer in layers)
            _names.TryAdd(layer.Module, layer.Name);
    }

    /// <summary>Times a forward's gaps; those of prepared layers as they run then.</summary>
    /// <param name="layers">The layers, in any order. What others do counts as a gap in front of the next of these.</param>
    /// <param name="forward">Runs the model.</param>
    /// <param name="device">The model's.</param>
    /// <param name="rounds">Forwards, after one to warm up; medians count.</param>
    /// <returns>Milliseconds in front of all calls of each layer; under an empty name those in front of the first layer and behind the last. What is the least time between two calls of any layers is the watching itself and other
    /// overhead of calls, which stays whatever is removed: it is moved under the empty name too.</returns>
    public static IReadOnlyDictionary<string, double> Measure(IReadOnlyList<TracedLayer> layers, Action forward, Device device, int rounds) => Measure(layers, forward, rounds, () => Milliseconds(device));

    /// <summary>The same with another clock, in milliseconds.</summary>
    public static IReadOnlyDictionary<string, double> Measure(IReadOnlyList<TracedLayer> layers, Action forward, int rounds, Func<double> now)
    {
        var gaps = new ForwardGaps(layers, now);
        var watching = new List<IDisposable>();
        try
        {
            // A hook would make a prepared layer run as it is.
            foreach (var layer in layers.Where(layer => FusedLayers.Of(layer.Module) is null))
            {
                watching.Add(layer.Rule.Watch(layer.Module, new CallWatcher(
                    inputs =>
                    {
                        gaps.Pass(layer.Module, starts: true);
                        return inputs;
                    },
                    (_, outputs) =>
                    {
                        gaps.Pass(layer.Module, starts: false);
                        return outputs;
                    })));
            }

            watching.Add(FusedLayers.Watch(gaps.Pass));
            gaps.Round(forward);
            return Apart([.. Enumerable.Range(0, rounds).Select(_ => gaps.Round(forward))]);
        }
        finally
        {
            watching.ForEach(hook => hook.Dispose());
        }
    }

    private Dictionary<string, (double Milliseconds, int Calls)> Round(Action forward)
    {
        _round.Clear();
        _last = _now();
        forward();
        Book("");
        return new(_round, StringComparer.Ordinal);
    }

    private void Pass(nn.Module module, bool starts)
    {
        if (!_names.TryGetValue(module, out var name))
            return;
        // What is done in front of the first layer is done to the model's input, whatever is removed.
        if (starts)
            Book(_round.Count == 0 ? "" : name);
        else
            _last = _now();
    }

    private void Book(string name)
    {
        var (milliseconds, calls) = _round.GetValueOrDefault(name);
        _round[name] = (milliseconds + _now() - _last, calls + 1);
    }

    private static double Milliseconds(Device device)
    {
        if (device.type == DeviceType.CUDA)
            cuda.synchronize(device);
        return Stopwatch.GetElapsedTime(0).TotalMilliseconds;
    }

    private static Dictionary<string, double> Apart(IReadOnlyList<Dictionary<string, (double Milliseconds, int Calls)>> rounds)
    {
        var medians = rounds[0].Keys.ToDictionary(
            name => name, name => (Milliseconds: rounds.Select(round => round.GetValueOrDefault(name).Milliseconds).Median(), rounds[0][name].Calls), StringComparer.Ordinal);
        var overhead = medians.Values.Min(gap => gap.Milliseconds / gap.Calls);
        var apart = medians.ToDictionary(gap => gap.Key, gap => gap.Value.Milliseconds - (overhead * gap.Value.Calls), StringComparer.Ordinal);
        apart[""] += overhead * medians.Values.Sum(gap => gap.Calls);
        return apart;
    }
}
