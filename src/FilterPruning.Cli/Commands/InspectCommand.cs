using System.CommandLine;
using System.Text.Json.Nodes;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Storage;

namespace FilterPruning.Cli.Commands;

/// <summary><c>filter-pruning inspect</c>: traces a model and shows what can be pruned and why the rest cannot.</summary>
internal static class InspectCommand
{
    private const int TraceSize = 128;

    public static Command Create()
    {
        var command = new Command("inspect", """
            Shows a model's layers and channel groups: what can be removed together, what must stay, and why.

            Examples:
              filter-pruning inspect --model maskrcnn_resnet50_fpn
              filter-pruning inspect --weights pruned.safetensors --explain roi_heads.box_predictor.cls_score
            """);
        var model = new ModelSource(command, weightsNeeded: false, defaultSize: TraceSize);
        var explain = new Option<string?>("--explain") { Description = "Explain one layer in words.", HelpName = "LAYER" };
        var mermaid = new Option<bool>("--mermaid") { Description = "Print the graph as a Mermaid diagram." };
        var groups = new Option<string?>("--groups") { Description = "Write the layers and channel groups to a JSON file, for programs that make plans of their own.", HelpName = "FILE" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        command.Options.Add(explain);
        command.Options.Add(mermaid);
        command.Options.Add(groups);
        command.Options.Add(json);
        command.Runs((parsed, _) =>
        {
            if (parsed.GetValue(groups) is { } path)
                OutputFile.Check(path);
            var (detector, description) = model.Load(parsed);
            using var owned = detector;
            var graph = Output.WithProgress($"Tracing {description.Model}", _ => DetectorTrace.Run(detector, model.SizeOf(parsed, description)));
            if (parsed.GetValue(groups) is { } file)
                AtomicFile.WriteText(file, graph.ToJson());
            if (parsed.GetValue(json))
                Output.Json(ToJson(graph, parsed.GetValue(explain)));
            else if (parsed.GetValue(explain) is { } layer)
                Output.Line(graph.Explain(layer));
            else if (parsed.GetValue(mermaid))
                Output.Line(graph.ToMermaid());
            else
                Print(graph);
            return ExitCode.Done;
        });
        return command;
    }

    private static JsonObject ToJson(DependencyGraph graph, string? explain)
    {
        var layers = new JsonArray();
        foreach (var layer in graph.Layers)
        {
            layers.Add(new JsonObject
            {
                ["name"] = layer.Name,
                ["kind"] = layer.Kind,
                ["inputChannels"] = layer.InputChannels,
                ["outputChannels"] = layer.OutputChannels,
                ["prunable"] = layer.IsPrunable,
                ["reason"] = Reason(graph, layer),
            });
        }

        var cost = ModelCost.Measure(graph);
        var result = new JsonObject
        {
            ["parameters"] = cost.Parameters,
            ["macs"] = cost.Macs,
            ["layers"] = layers,
            ["groups"] = new JsonObject
            {
                ["total"] = graph.Groups.Count,
                ["prunable"] = graph.Groups.Count(group => group.Pin is null),
                ["roles"] = new JsonArray([.. graph.Roles.Select(role => (JsonNode)new JsonObject { ["count"] = role.Count, ["prunable"] = role.Pin is null, ["layers"] = role.Description })]),
            },
        };
        if (explain is not null)
            result["explanation"] = graph.Explain(explain);
        return result;
    }

    private static void Print(DependencyGraph graph)
    {
        var table = Output.NewTable("layer", "kind", "in", "out", "prunable");
        foreach (var layer in graph.Layers)
            table.Row(layer.Name, layer.Kind, $"{layer.InputChannels}", $"{layer.OutputChannels}", layer.IsPrunable ? "yes" : Reason(graph, layer) ?? "no");
        Output.Table(table);
        var cost = ModelCost.Measure(graph);
        Output.Line($"{graph.Groups.Count(group => group.Pin is null):N0} channel groups can be removed, in {graph.Roles.Count(role => role.Pin is null)} roles; {cost.Parameters / 1e6:0.00} M parameters, {cost.Macs / 1e9:0.00} G MACs.");
        Output.Line("Explain a layer with --explain LAYER.");
    }

    private static string? Reason(DependencyGraph graph, TracedLayer layer) =>
        graph.Groups.FirstOrDefault(group => group.Pin is not null && group.Members.Any(member => member.Axis == ChannelAxis.Output && member.Layer == layer.Name))?.Pin is { } pin
            ? $"{pin.Reason}: {pin.Evidence}"
            : null;
}
