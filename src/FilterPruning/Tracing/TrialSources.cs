namespace FilterPruning.Tracing;

/// <summary>A weight of the model: of a layer, or, without an owner, of code that has no rule.</summary>
internal sealed record Weight(Tensor Tensor, string Name, LayerNode? Owner);

/// <summary>The leaves of one trial: its ports, the model's input, and the weights.</summary>
internal sealed class TrialSources
{
    private readonly Recording _recording;
    private readonly List<ProbeSource> _ports;
    private readonly List<ProbeSource> _outside = [];
    private readonly List<Weight?> _outsideWeights = [];
    private readonly SortedSet<string> _bypassed = new(StringComparer.Ordinal);

    public TrialSources(Recording recording, Tensor? input, IReadOnlyList<Weight> weights)
    {
        _recording = recording;
        _ports = recording.Ports.Select((call, i) => new ProbeSource(call.Port!, call.Layer.Rule.OutputAxis(call.Layer.Module, call.Port!), i)).ToList();
        if (input is not null) AddOutside(input, null);
        foreach (var weight in weights) AddOutside(weight.Tensor, weight);

        void AddOutside(Tensor tensor, Weight? weight)
        {
            _outside.Add(new ProbeSource(tensor, null, -1 - _outside.Count));
            _outsideWeights.Add(weight);
        }
    }

    /// <summary>The sources that can have reached a call's input.</summary>
    public IReadOnlyList<ProbeSource> Before(RecordedCall call) => [.. _ports.Take(call.PortsBefore), .. _outside];

    public IReadOnlyList<ProbeSource> All() => [.. _ports, .. _outside];

    /// <summary>The call whose port this is, or null for a leaf from outside.</summary>
    public RecordedCall? PortOf(ProbeSource source) => source.Id >= 0 ? _recording.Ports[source.Id] : null;

    /// <summary>What a leaf from outside is called. Reaching a layer's own weight from outside the layer is remembered: it was used without <c>call</c>.</summary>
    public string OutsideName(ProbeSource source)
    {
        if (_outsideWeights[-1 - source.Id] is not { } weight) return "the model's input";
        if (weight.Owner is { } owner) _bypassed.Add(owner.Name);
        return $"the parameter '{weight.Name}', which belongs to no layer with a rule,";
    }

    /// <exception cref="PruningException">A layer's weights reached a result without its hooks having seen a call.</exception>
    public void ThrowIfLayersWereBypassed()
    {
        if (_bypassed.Count == 0) return;
        throw new PruningException(
            $"These layers influence the result without having been called through .call: {string.Join(", ", _bypassed.Select(name => $"'{name}'"))}. " +
            "Hooks see only .call(x); replace .forward(x), and code that uses a layer's weight directly, by .call(x) in the model's forward.");
    }
}
