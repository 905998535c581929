using Microsoft.Extensions.Logging;

namespace FilterPruning;

/// <summary>The messages behind <see cref="PruningEvents"/>.</summary>
internal static partial class PruningLog
{
    [LoggerMessage(PruningEvents.Traced, LogLevel.Information, "Traced {Layers} layers with {Groups} channel groups, {Pinned} of them pinned.")]
    public static partial void Traced(ILogger logger, int layers, int groups, int pinned);

    [LoggerMessage(PruningEvents.Planned, LogLevel.Information, "Planned to remove {Removed} of {Groups} groups: {Before} -> {After} parameters.")]
    public static partial void Planned(ILogger logger, int removed, int groups, long before, long after);

    [LoggerMessage(PruningEvents.LayerKept, LogLevel.Debug, "Layer {Layer} keeps its {Channels} channels: {Reason}")]
    public static partial void LayerKept(ILogger logger, string layer, int channels, string reason);

    [LoggerMessage(PruningEvents.Cut, LogLevel.Information, "Cut, and proved equal to the masked model within {Error:G3}.")]
    public static partial void Cut(ILogger logger, double error);

    [LoggerMessage(PruningEvents.NotExercised, LogLevel.Warning, "No forward reached layer {Layer} with data; it was proved alone.")]
    public static partial void NotExercised(ILogger logger, string layer);

    [LoggerMessage(PruningEvents.Cancelled, LogLevel.Information, "Cancelled at stage {Stage}; the model is as it was.")]
    public static partial void Cancelled(ILogger logger, PruningStage stage);

    [LoggerMessage(PruningEvents.Failed, LogLevel.Error, "Failed at stage {Stage}; the model is as it was: {Problem}")]
    public static partial void Failed(ILogger logger, PruningStage stage, string problem, Exception error);

    [LoggerMessage(PruningEvents.Done, LogLevel.Information, "Pruned {Before} -> {After} parameters in {Milliseconds} ms.")]
    public static partial void Done(ILogger logger, long before, long after, long milliseconds);

    [LoggerMessage(PruningEvents.NotCalled, LogLevel.Warning, "No forward called layer {Layer}: it stays as it is, and nothing is known about what it reads.")]
    public static partial void NotCalled(ILogger logger, string layer);
}
