using FilterPruning.Graph;

namespace FilterPruning.Zoo;

/// <summary>A graph's groups as short lines that a test can state in closed form: <c>8 x first.out inner.in</c>, sides in alphabetical order. Only layers count: parameters and buffers of no layer are left out.</summary>
internal static class GroupText
{
    /// <summary>The groups that may go: one line for each signature, sorted.</summary>
    public static string[] Free(DependencyGraph graph) => Lines(graph, group => group.Pin is null);

    /// <summary>The same lines from text that may name the sides in data order.</summary>
    public static string[] Sorted(string[] lines) => [.. lines.Select(line => line.Split(" x ")).Select(parts => $"{parts[0]} x {string.Join(' ', parts[1].Split(' ').Order(StringComparer.Ordinal))}").Order(StringComparer.Ordinal)];

    /// <summary>The channels of one side of a layer that go together with each channel of another side.</summary>
    public static int[][] Partners(DependencyGraph graph, string layer, ChannelAxis axis, string partner, ChannelAxis partnerAxis) =>
        [.. graph.Groups.SelectMany(group => group.Members.Where(member => member.Layer == layer && member.Axis == axis)
                .Select(member => (member.Channel, Partners: group.Members.Where(other => other.Layer == partner && other.Axis == partnerAxis).Select(other => other.Channel).Order().ToArray())))
            .OrderBy(pair => pair.Channel).Select(pair => pair.Partners)];

    private static string[] Lines(DependencyGraph graph, Func<ChannelGroup, bool> wanted)
    {
        var layers = graph.Layers.Where(layer => !layer.Kind.StartsWith("Parameter", StringComparison.Ordinal) && !layer.Kind.StartsWith("Buffer", StringComparison.Ordinal)).Select(layer => layer.Name).ToHashSet();
        return [.. graph.Groups.Where(wanted).Select(group => Signature(group, layers)).Where(line => line.Length > 0).GroupBy(line => line).Select(same => $"{same.Count()} x {same.Key}").Order(StringComparer.Ordinal)];
    }

    private static string Signature(ChannelGroup group, HashSet<string> layers) => string.Join(' ', group.Members.Where(member => layers.Contains(member.Layer))
        .GroupBy(member => (member.Layer, member.Axis))
        .Select(same => $"{same.Key.Layer}.{(same.Key.Axis == ChannelAxis.Input ? "in" : "out")}{(same.Count() > 1 ? $"*{same.Count()}" : "")}").Order(StringComparer.Ordinal));
}
