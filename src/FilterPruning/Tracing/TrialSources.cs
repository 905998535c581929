namespace FilterPruning.Tracing;

/// <summary>A weight of the model: of a layer, or, without an owner, of code that has no rule.</summary>
/// <param name="Tensor">The model's own tensor.</param>
/// <param name="Name">Its path in the model.</param>
/// <param name="Owner">The layer it belongs to, or null.</param>
/// <param name="Module">The module that holds it.</param>
/// <param name="LocalName">Its name within that module.</param>
/// <param name="IsBuffer">Whether it is a buffer.</param>
internal sealed record Weight(Tensor Tensor, string Name, LayerNode? Owner, nn.Module Module, string LocalName, bool IsBuffer);

/// <summary>The leaves of one trial: its ports, the model's input, and the weights.</summary>
internal sealed class TrialSources
{
    private readonly Recording _recording;
    private readonly List<ProbeSource> _ports;
    private readonly List<ProbeSource> _outside = [];
    private readonly List<Weight?> _outsideWeights = [];
    private readonly SortedSet<string> _bypassed = new(StringComparer.Ordinal);
    private readonly List<Weight> _owned = [];

    public TrialSources(Recording recording, Tensor? input, IReadOnlyList<Weight> weights)
    {
        _recording = recording;
        _ports = recording.Ports.Select((port, i) => new ProbeSource(port.Leaf, port.Port.Axis, i)).ToList();
        if (input is not null) AddOutside(input, null);
        foreach (var weight in weights)
        {
            if (weight.Owner is null) AddOutside(weight.Tensor, weight);
            else _owned.Add(weight);
        }

        Owned = [.. _owned.Select(weight => weight.Tensor)];

        void AddOutside(Tensor tensor, Weight? weight)
        {
            _outside.Add(new ProbeSource(tensor, null, -1 - _outside.Count));
            _outsideWeights.Add(weight);
        }
    }

    /// <summary>The weights of layers. A derivative that reaches one was not made by that layer's call; see <see cref="ThrowIfLayersWereBypassed"/>.</summary>
    public IReadOnlyList<Tensor> Owned { get; }

    /// <summary>The sources that can have reached a call's input.</summary>
    public IReadOnlyList<ProbeSource> Before(RecordedCall call) => [.. _ports.Take(call.PortsBefore), .. _outside];

    public IReadOnlyList<ProbeSource> All() => [.. _ports, .. _outside];

    /// <summary>The port that a source is, or null for a leaf from outside.</summary>
    public RecordedPort? PortOf(ProbeSource source) => source.Id >= 0 ? _recording.Ports[source.Id] : null;

    /// <summary>The weight that a source is, or null for a port or the model's input.</summary>
    public Weight? WeightOf(ProbeSource source) => source.Id >= 0 ? null : _outsideWeights[-1 - source.Id];

    /// <summary>What a leaf from outside is called.</summary>
    public string OutsideName(ProbeSource source)
    {
        if (WeightOf(source) is not { } weight) return "the model's input";
        return $"the {(weight.IsBuffer ? "buffer" : "parameter")} '{weight.Name}', whose channels could not be told apart,";
    }

    /// <summary>Looks once at what all probes of the trial left in the gradients of <see cref="Owned"/>, and clears it: asking each weight after each probe would cost more than the probes.</summary>
    /// <exception cref="PruningException">A layer's weights reached a result without its hooks having seen a call.</exception>
    public void ThrowIfLayersWereBypassed()
    {
        foreach (var weight in _owned)
        {
            if (weight.Tensor.grad is not { } gradient) continue;
            if (gradient.numel() > 0 && gradient.ne(0).any().item<bool>()) _bypassed.Add(weight.Owner!.Name);
            weight.Tensor.grad = null;
        }

        if (_bypassed.Count == 0) return;
        throw new PruningException(
            $"These layers influence the result without having been called through .call: {string.Join(", ", _bypassed.Select(name => $"'{name}'"))}. " +
            "Hooks see only .call(x); replace .forward(x), and code that uses a layer's weight directly, by .call(x) in the model's forward.");
    }
}
