using System.Diagnostics.CodeAnalysis;

namespace FilterPruning.Planning;

/// <summary>What must hold for any plan, whether it was made here or read from a file.</summary>
internal static class PlanChecks
{
    public static void Check(PlanSettings settings, Cost before, Cost predicted, int totalGroups, int removedGroups, IReadOnlyList<LayerPlan> layers)
    {
        Require(double.IsFinite(settings.Ratio) && settings.Ratio is >= 0 and < 1, $"the ratio is {settings.Ratio}; allowed is 0 <= ratio < 1");
        Require(Enum.IsDefined(settings.Scope) && Enum.IsDefined(settings.Normalization) && Enum.IsDefined(settings.Reduction), "a setting has a value that is not defined");
        Require(settings.ChannelMultiple >= 1, $"the channel multiple is {settings.ChannelMultiple}; allowed is 1 or more");
        Require(settings.MinimumWidth >= 1, $"the minimum width is {settings.MinimumWidth}; allowed is 1 or more");
        Require(!string.IsNullOrWhiteSpace(settings.Criterion), "the criterion has no name");
        Require(settings.Ignore.All(pattern => pattern is not null), "an ignored pattern is null");
        Require(settings.MaximumLayerRatio is null or (> 0 and <= 1), $"the maximum layer ratio is {settings.MaximumLayerRatio}; allowed is 0 < ratio <= 1");
        Require(
            settings.LayerRatios?.All(entry => entry?.Pattern is not null && entry.Ratio is >= 0 and < 1) ?? true,
            "a layer ratio has no pattern, or a ratio outside 0 <= ratio < 1");
        Require(before.Parameters >= 0 && before.Macs >= 0 && predicted.Parameters >= 0 && predicted.Macs >= 0, "a cost is negative");
        Require(
            totalGroups >= 0 && removedGroups >= 0 && removedGroups <= totalGroups,
            $"{removedGroups} of {totalGroups} groups are removed; allowed are 0 to all of them");
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var layer in layers)
        {
            Require(layer?.Name is not null, "a layer is null or has no name");
            Require(names.Add(layer.Name), $"layer '{layer.Name}' is listed twice");
            Require(!string.IsNullOrEmpty(layer.Kind), $"layer '{layer.Name}' has no kind");
            CheckSide(layer.Name, "input", layer.InputChannels, layer.RemovedInputs);
            CheckSide(layer.Name, "output", layer.OutputChannels, layer.RemovedOutputs);
            Require(
                layer.Scores is not { } scores || (double.IsFinite(scores.Minimum) && double.IsFinite(scores.Maximum) && double.IsFinite(scores.Threshold ?? 0)),
                $"layer '{layer.Name}' has a score that is not finite");
        }
    }

    private static void CheckSide(string name, string side, int channels, IReadOnlyList<int> removed)
    {
        // An embedding, or a bare parameter, reads no channels.
        var least = side == "input" ? 0 : 1;
        Require(channels >= least, $"layer '{name}' has {channels} {side} channels; allowed is {least} or more");
        Require(removed.Count < Math.Max(channels, 1), $"layer '{name}' loses {removed.Count} of its {channels} {side} channels; at least one must stay");
        var previous = -1;
        foreach (var channel in removed)
        {
            Require(channel >= 0 && channel < channels, $"layer '{name}' removes {side} channel {channel}; allowed are 0 to {channels - 1}");
            Require(channel != previous, $"layer '{name}' removes {side} channel {channel} twice");
            Require(channel > previous, $"layer '{name}' lists {side} channel {channel} after {previous}; indices must ascend");
            previous = channel;
        }
    }

    private static void Require([DoesNotReturnIf(false)] bool holds, string otherwise)
    {
        if (!holds)
            throw new PruningException($"The pruning plan cannot be used: {otherwise}. Make the plan again with {nameof(PruningPlanner)}.");
    }
}
