using System.Diagnostics;
using FilterPruning.Graph;
using FilterPruning.Inference;
using FilterPruning.Layers;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using MathNet.Numerics.Statistics;

namespace FilterPruning.Latency;

/// <summary>Times single layers at other widths than they have: narrowed, called on random input, and given back what they had.</summary>
internal sealed class LayerTimer(LatencyOptions options)
{
    // Shorter calls are repeated within one measurement, since a clock's reading takes a while itself.
    private const double ShortestMilliseconds = 0.2;

    /// <summary>Whether a layer can be called alone: one tensor goes in, one comes out, and it can be narrowed in place.</summary>
    public static bool CanTime(TracedLayer layer) =>
        layer.Module is nn.Module<Tensor, Tensor> && !layer.Rule.IsExchanged && layer.Calls.Count > 0 && layer.Rule.InputSides(layer.Module).Count == 1 && layer.Rule.Tensors(layer.Module).Count > 0;

    /// <summary>Whether the layer is part of another that is prepared for inference, as a norm is of the convolution before it: it takes no time of its own then.</summary>
    public static bool IsDoneByAnother(TracedLayer layer) => Prepared(layer.Module) is FusedConvolution fused && !ReferenceEquals(fused.Convolution, layer.Module);

    /// <summary>Whether a call of the layer is one operation of a model that is prepared for inference.</summary>
    public static bool IsPrepared(TracedLayer layer) => Prepared(layer.Module) is not null;

    /// <summary>Milliseconds of a call when the layer has only its first channels.</summary>
    /// <param name="layer">The layer; afterwards as it was.</param>
    /// <param name="call">Which of its calls.</param>
    /// <param name="inputs">Input channels to keep: as many as can be that are tied to one another, at least 1.</param>
    /// <param name="outputs">Output channels to keep, likewise.</param>
    public double Time(TracedLayer layer, LayerCall call, int inputs, int outputs)
    {
        using var scope = NewDisposeScope();
        var (module, rule) = ((nn.Module<Tensor, Tensor>)layer.Module, layer.Rule);
        var (goneInputs, goneOutputs) = (Beyond(layer, ChannelAxis.Input, inputs), Beyond(layer, ChannelAxis.Output, outputs));
        var like = rule.Tensors(module)[0].Tensor;
        using var generator = new Generator((ulong)options.Seed, CPU);
        var input = randn([.. call.InputShape], dtype: float32, device: CPU, generator: generator).to(like.dtype).to(like.device);
        if (goneInputs.Count > 0)
        {
            var axis = rule.InputAxis(module, input);
            input = input.narrow(axis, 0, input.shape[axis] / layer.InputChannels * (layer.InputChannels - goneInputs.Count)).contiguous();
        }

        using var narrowed = Narrowed.Of(layer, new LayerPlan(layer.Name, layer.Kind, layer.InputChannels, goneInputs, layer.OutputChannels, goneOutputs));
        using var fused = Alone(module);
        if (fused is not null && input.dim() == 4)
            input = ChannelsLast.Of(input);
        return Clock(() => (fused?.Run(input) ?? module.call(input)).Dispose(), like.device, options.Repeats);
    }

    /// <summary>The median milliseconds of something, after one run to warm up.</summary>
    public static double Clock(Action run, Device device, int repeats)
    {
        Run(1);
        var once = Run(1);
        var times = Math.Max(1, (int)Math.Ceiling(ShortestMilliseconds / Math.Max(once, 1e-4)));
        return Enumerable.Range(0, repeats).Select(_ => Run(times) / times).Median();

        double Run(int count)
        {
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < count; i++)
                run();
            if (device.type == DeviceType.CUDA)
                cuda.synchronize(device);
            return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
    }

    private static IFusedLayer? Prepared(nn.Module module) =>
        OneDnn.IsAvailable && FusedLayers.Of(module) is { } fused && module.parameters().All(parameter => parameter.device_type == DeviceType.CPU && parameter.dtype == ScalarType.Float32) ? fused : null;

    // A prepared layer is timed as it then runs: without what follows it, which costs next to nothing there.
    private static FusedAlone? Alone(nn.Module<Tensor, Tensor> module) => Prepared(module) switch
    {
        FusedConvolution => new FusedAlone(FusedConvolution.Alone(module)),
        FusedLinear => new FusedAlone(FusedLinear.Alone(module)),
        FusedTransposedConvolution => new FusedAlone(FusedTransposedConvolution.Alone(module)),
        _ => null,
    };

    // The channels of a side beyond the first so many. Those that can only go together go when the first of them does.
    private static List<int> Beyond(TracedLayer layer, ChannelAxis side, int kept)
    {
        var width = side == ChannelAxis.Input ? layer.InputChannels : layer.OutputChannels;
        var labels = Enumerable.Range(0, width).Select(channel => layer.Rule.TieLabel(layer.Module, side, channel)).ToArray();
        var stay = labels.Distinct().Order().Take(Math.Max(1, labels.Distinct().Count() * kept / width)).ToHashSet();
        return [.. Enumerable.Range(0, width).Where(channel => !stay.Contains(labels[channel]))];
    }

    /// <summary>One layer as one operation.</summary>
    private sealed class FusedAlone(IFusedLayer layer) : IDisposable
    {
        public Tensor Run(Tensor input) => layer switch
        {
            FusedConvolution convolution => convolution.Run(input),
            FusedTransposedConvolution transposed => transposed.IsFusedFor(input) ? transposed.RunInBlocks(input) : transposed.Run(input),
            FusedLinear linear => linear.Run(input),
            _ => throw new InvalidOperationException($"{layer.GetType().Name} cannot be timed."),
        };

        public void Dispose() => layer.Release();
    }

    /// <summary>A layer that is narrow for as long as this lives.</summary>
    private sealed class Narrowed : IDisposable
    {
        private readonly Snapshot _before = new();

        public static Narrowed Of(TracedLayer layer, LayerPlan plan)
        {
            var narrowed = new Narrowed();
            var cut = LayerCut.Prepare(layer, plan);
            foreach (var tensor in cut.Tensors)
                narrowed._before.Remember(tensor.Tensor);
            narrowed._before.Remember(layer.Module, layer.Rule);
            try
            {
                foreach (var tensor in cut.Tensors)
                    Snapshot.Exchange(tensor.Tensor, tensor.Narrowed());
                layer.Rule.SetWidths(layer.Module, plan.KeptInputs, plan.KeptOutputs);
                return narrowed;
            }
            catch
            {
                narrowed.Dispose();
                throw;
            }
        }

        public void Dispose()
        {
            _before.Restore();
            _before.Dispose();
        }
    }
}
