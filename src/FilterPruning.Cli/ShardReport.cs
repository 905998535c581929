using System.Text.Json.Nodes;
using FilterPruning.Schedules;

namespace FilterPruning.Cli;

/// <summary>Which parts of a list of points are not done.</summary>
internal static class ShardReport
{
    public static JsonArray ToJson(IEnumerable<(Shard Shard, int Points, int Missing)> shards) =>
        [.. shards.Select(entry => (JsonNode)new JsonObject { ["shard"] = entry.Shard.Index, ["of"] = entry.Shard.Count, ["points"] = entry.Points, ["missing"] = entry.Missing })];

    public static void Print(IEnumerable<(Shard Shard, int Points, int Missing)> shards)
    {
        foreach (var (shard, points, missing) in shards)
            Output.Line(missing == 0 ? $"Shard {shard}: all {points} points are there." : $"Shard {shard}: {missing} of {points} points are missing. Run it again with --shard {shard}.");
    }
}
