using FilterPruning.Graph;

namespace FilterPruning.Recovery;

/// <summary>Which layers feed which directly.</summary>
internal sealed class LayerSources
{
    private readonly ILookup<string, string> _sources;
    private readonly ILookup<string, string> _readers;

    public LayerSources(DependencyGraph graph)
    {
        _sources = graph.Edges.ToLookup(edge => edge.To, edge => edge.From);
        _readers = graph.Edges.ToLookup(edge => edge.From, edge => edge.To);
    }

    /// <summary>Paths of the layers whose output reaches a layer's input without passing another layer.</summary>
    public IEnumerable<string> Of(TracedLayer layer) => _sources[layer.Name];

    /// <summary>Whether a layer's output goes into one other layer and nowhere else that was traced.</summary>
    public bool FeedsOnly(TracedLayer layer, TracedLayer reader) => _readers[layer.Name].All(name => name == reader.Name);
}
