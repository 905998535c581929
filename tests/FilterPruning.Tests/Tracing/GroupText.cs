using FilterPruning.Graph;

namespace FilterPruning.Tests.Tracing;

/// <summary>Writes a graph's groups as short lines that a test can state in closed form: <c>8 x first.out inner.in</c>.</summary>
public static class GroupText
{
    /// <summary>The prunable groups: one line per signature, sorted.</summary>
    public static string[] Prunable(DependencyGraph graph) => Lines(graph.Groups.Where(group => group.Pin is null), _ => "");

    /// <summary>The pinned groups, with their reasons.</summary>
    public static string[] Pinned(DependencyGraph graph) => Lines(graph.Groups.Where(group => group.Pin is not null), group => $" ({group.Pin!.Reason})");

    private static string[] Lines(IEnumerable<ChannelGroup> groups, Func<ChannelGroup, string> suffix) =>
        groups.Select(group => Signature(group) + suffix(group)).GroupBy(line => line).Select(same => $"{same.Count()} x {same.Key}").Order(StringComparer.Ordinal).ToArray();

    private static string Signature(ChannelGroup group) => string.Join(' ', group.Members
        .GroupBy(member => (member.Layer, member.Axis))
        .Select(same => $"{same.Key.Layer}.{(same.Key.Axis == ChannelAxis.Input ? "in" : "out")}{(same.Count() > 1 ? $"*{same.Count()}" : "")}"));
}
