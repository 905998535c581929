using System.Globalization;
using System.Text;

namespace FilterPruning.Graph;

public sealed partial class DependencyGraph
{
    /// <summary>The layers and what they feed as a Mermaid flowchart. Layers whose channels all stay are drawn as <c>stays</c>; an edge is labelled where its ends differ in width.</summary>
    public string ToMermaid()
    {
        var text = new StringBuilder("flowchart TD\n");
        var ids = Ids();
        foreach (var layer in Layers)
            text.Append(CultureInfo.InvariantCulture, $"    {ids[layer.Name]}[\"{Quote(layer.Name, "#quot;")}<br/>{layer.Kind} {layer.InputChannels} → {layer.OutputChannels}\"]{(layer.IsPrunable ? "" : ":::stays")}\n");
        foreach (var edge in Edges)
            text.Append(CultureInfo.InvariantCulture, $"    {ids[edge.From]} -->{Label(edge) switch { "" => "", var label => $"|{label}|" }} {ids[edge.To]}\n");
        return text.Append("    classDef stays stroke-dasharray: 4 4\n").ToString();
    }

    /// <summary>The same picture for Graphviz.</summary>
    public string ToDot()
    {
        var text = new StringBuilder("digraph model {\n    node [shape=box];\n");
        var ids = Ids();
        foreach (var layer in Layers)
            text.Append(CultureInfo.InvariantCulture, $"    {ids[layer.Name]} [label=\"{Quote(layer.Name, "\\\"")}\\n{layer.Kind} {layer.InputChannels} → {layer.OutputChannels}\"{(layer.IsPrunable ? "" : ", style=dashed")}];\n");
        foreach (var edge in Edges)
            text.Append(CultureInfo.InvariantCulture, $"    {ids[edge.From]} -> {ids[edge.To]}{Label(edge) switch { "" => "", var label => $" [label=\"{label}\"]" }};\n");
        return text.Append("}\n").ToString();
    }

    private Dictionary<string, string> Ids() =>
        Layers.Select((layer, index) => (layer.Name, Id: string.Create(CultureInfo.InvariantCulture, $"n{index}"))).ToDictionary(pair => pair.Name, pair => pair.Id, StringComparer.Ordinal);

    // "256 → 12544" for a flatten, "8 of 24" for a slice; a mixture says so.
    private string Label(GraphEdge edge)
    {
        var outputs = Layers.First(layer => layer.Name == edge.From).OutputChannels;
        var text = edge.OutputChannels == outputs ? "" : string.Create(CultureInfo.InvariantCulture, $"{edge.OutputChannels} of {outputs}");
        if (edge.OutputChannels != edge.InputChannels)
            text = string.Create(CultureInfo.InvariantCulture, $"{(text.Length > 0 ? text : edge.OutputChannels)} → {edge.InputChannels}");
        return edge.IsMixed && edge.InputChannels <= edge.OutputChannels ? $"{text} mixed".Trim() : text;
    }

    private static string Quote(string name, string quote) => name.Replace("\\", "/", StringComparison.Ordinal).Replace("\"", quote, StringComparison.Ordinal);
}
