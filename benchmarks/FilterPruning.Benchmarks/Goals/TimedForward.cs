using System.Diagnostics;
using FilterPruning.Layers;

namespace FilterPruning.Benchmarks.Goals;

/// <summary>
/// Tells the model's own time from the library's: a model's own forwards are all calls of the function that runs it, less what happens inside hooks on its layers, which is the library's.
/// </summary>
internal sealed class TimedForward
{
    private long _inForwards;
    private long _inHooks;

    /// <summary>The number of forwards so far.</summary>
    public int Forwards { get; private set; }

    /// <summary>The time spent in the model's own code.</summary>
    public TimeSpan Own => Stopwatch.GetElapsedTime(0, _inForwards - _inHooks);

    /// <summary>The rules of the library with a clock at every hook.</summary>
    public IReadOnlyList<LayerRule> Rules => [.. LayerRules.BuiltIn.Select(rule => new TimedRule(rule, this))];

    /// <summary>Runs a forward under the clock.</summary>
    public object? Run(Func<object?> forward)
    {
        Forwards++;
        var start = Stopwatch.GetTimestamp();
        try
        {
            return forward();
        }
        finally
        {
            _inForwards += Stopwatch.GetTimestamp() - start;
        }
    }

    private T InHook<T>(Func<T> hook)
    {
        var start = Stopwatch.GetTimestamp();
        try
        {
            return hook();
        }
        finally
        {
            _inHooks += Stopwatch.GetTimestamp() - start;
        }
    }

    /// <summary>A rule of the library that says the same, with a clock at its hooks. Not for native layers (LSTM, attention), whose rules have more to say.</summary>
    private sealed class TimedRule(LayerRule rule, TimedForward clock) : LayerRule
    {
        public override string Kind => rule.Kind;

        public override bool Handles(nn.Module module) => rule.Handles(module);

        public override int InputChannels(nn.Module module) => rule.InputChannels(module);

        public override int OutputChannels(nn.Module module) => rule.OutputChannels(module);

        public override ChannelMapping Mapping(nn.Module module) => rule.Mapping(module);

        public override int Blocks(nn.Module module) => rule.Blocks(module);

        public override int InputAxis(nn.Module module, Tensor input) => rule.InputAxis(module, input);

        public override int OutputAxis(nn.Module module, Tensor output) => rule.OutputAxis(module, output);

        public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module) => rule.Tensors(module);

        public override ChannelTensor? Filters(nn.Module module) => rule.Filters(module);

        public override long MacsPerPair(nn.Module module, ReadOnlySpan<long> inputShape, ReadOnlySpan<long> outputShape) => rule.MacsPerPair(module, inputShape, outputShape);

        public override void SetWidths(nn.Module module, int inputChannels, int outputChannels) => rule.SetWidths(module, inputChannels, outputChannels);

        internal override bool ReadsLinearly(nn.Module module) => rule.ReadsLinearly(module);

        public override IDisposable Watch(nn.Module module, CallWatcher watcher) => rule.Watch(module, new CallWatcher(
            watcher.Before is { } before ? inputs => clock.InHook(() => before(inputs)) : null,
            watcher.After is { } after ? (inputs, outputs) => clock.InHook(() => after(inputs, outputs)) : null));
    }
}
