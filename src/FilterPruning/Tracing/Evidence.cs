namespace FilterPruning.Tracing;

/// <summary>What all trials together showed about one call of one layer.</summary>
internal sealed class CallEvidence(LayerNode layer, int ordinal)
{
    public LayerNode Layer { get; } = layer;

    public int Ordinal { get; } = ordinal;

    /// <summary>Whether a trial ran the call on a tensor that was not empty.</summary>
    public bool Seen { get; set; }

    /// <summary>Whether the input ever had a history: came, through derivatives, from a port.</summary>
    public bool HasHistory { get; set; }

    /// <summary>Input channels that something was seen to reach.</summary>
    public bool[] InputLive { get; } = new bool[layer.Inputs];

    /// <summary>Notes that something reaches a channel, in the numbering of <see cref="LayerNode.In"/>.</summary>
    public void See(int channel)
    {
        if (channel < InputLive.Length) InputLive[channel] = true;
    }

    /// <summary>Output channels that were seen to reach a layer's input or a returned value.</summary>
    public bool[] OutputLive { get; } = new bool[layer.Outputs];

    /// <summary>Output channels that were seen to reach a returned value.</summary>
    public bool[] OutputReturned { get; } = new bool[layer.Outputs];

    /// <summary>Input channels that the model's input, or a weight outside all layers, reaches alone, with that tensor's name.</summary>
    public Dictionary<int, string> FromOutside { get; } = [];

    /// <summary>Why the code before the call cannot be differentiated, if so.</summary>
    public string? Obstacle { get; set; }

    /// <summary>Whether every output channel that reaches anything reaches a returned value, and there is one: an output layer, such as a detector's with a few channels for each class.</summary>
    public bool FeedsReturnsAlone => OutputReturned.Contains(true) && !FeedsLayers;

    /// <summary>Whether another trial could tell more.</summary>
    public bool IsDark => !Seen || (HasHistory && Obstacle is null && InputLive.Contains(false)) || (FeedsLayers && OutputLive.Contains(false));

    // Of a layer that only feeds returned values, channels still dark (a class that nothing was detected of) are pinned anyway.
    private bool FeedsLayers => OutputLive.Zip(OutputReturned).Any(channel => channel.First && !channel.Second);

    public override string ToString() => Ordinal == 0 ? Layer.Name : $"{Layer.Name} (call {Ordinal + 1})";
}

/// <summary>How channels of one call's output reach the input of another call.</summary>
internal sealed class Connection(CallEvidence from, CallEvidence to)
{
    public CallEvidence From { get; } = from;

    public CallEvidence To { get; } = to;

    /// <summary>Pairs (output channel, input channel) where the one reaches the other alone.</summary>
    public HashSet<(int Out, int In)> Exact { get; } = [];

    /// <summary>Output channels that reach the input in any way.</summary>
    public HashSet<int> Outputs { get; } = [];

    /// <summary>Output channels with elements that reach several input channels at once.</summary>
    public SortedDictionary<int, SortedSet<int>> Mixed { get; } = [];

    /// <summary>
    /// Once everything is known: what a mixed output also reaches alone says no more than the mixture does (a gate for all channels reaches one alone where the others
    /// happen to be zero).
    /// </summary>
    public void Settle()
    {
        foreach (var (output, input) in Exact)
            if (Mixed.TryGetValue(output, out var inputs)) inputs.Add(input);
        Exact.RemoveWhere(pair => Mixed.ContainsKey(pair.Out));
    }
}

/// <summary>The united evidence of all trials.</summary>
internal sealed class Evidence
{
    private readonly List<CallEvidence> _calls = [];
    private readonly Dictionary<(LayerNode, int), CallEvidence> _callByKey = [];
    private readonly Dictionary<(CallEvidence, CallEvidence), Connection> _connections = [];

    /// <summary>Every call that any forward made, in the order they were first seen.</summary>
    public IReadOnlyList<CallEvidence> Calls => _calls;

    public IReadOnlyCollection<Connection> Connections => _connections.Values;

    public int Trials { get; set; }

    /// <summary>Weights of layers that modules without a rule hold too, with the names those have for them.</summary>
    public Dictionary<IntPtr, string> SharedWeights { get; } = [];

    public CallEvidence For(RecordedCall call)
    {
        if (!_callByKey.TryGetValue((call.Layer, call.Ordinal), out var found))
        {
            _callByKey[(call.Layer, call.Ordinal)] = found = new CallEvidence(call.Layer, call.Ordinal);
            _calls.Add(found);
        }
        return found;
    }

    /// <summary>The evidence of a tensor that is no layer: it is there from the start, and nothing goes into it.</summary>
    public CallEvidence For(LayerNode bare)
    {
        if (!_callByKey.TryGetValue((bare, 0), out var found))
        {
            _callByKey[(bare, 0)] = found = new CallEvidence(bare, 0) { Seen = true };
            _calls.Add(found);
        }
        return found;
    }

    /// <summary>The output channels of one call that were seen to reach another call; null when none were.</summary>
    public IReadOnlySet<int>? OutputsSeen(RecordedCall from, RecordedCall to) => _connections.GetValueOrDefault((For(from), For(to)))?.Outputs;

    /// <summary>Books what a source reaches in an input; channels of the reader are numbered as in <see cref="LayerNode.In"/>.</summary>
    public void AddReach(CallEvidence source, CallEvidence target, Reach reach)
    {
        if (!_connections.TryGetValue((source, target), out var connection))
            _connections[(source, target)] = connection = new Connection(source, target);
        foreach (var (unit, channel) in reach.Exact)
        {
            connection.Exact.Add((unit, channel));
            connection.Outputs.Add(unit);
            source.OutputLive[unit] = true;
            target.See(channel);
        }
        foreach (var (unit, channels) in reach.Mixed)
        {
            if (!connection.Mixed.TryGetValue(unit, out var set)) connection.Mixed[unit] = set = [];
            set.UnionWith(channels);
            connection.Outputs.Add(unit);
            source.OutputLive[unit] = true;
            foreach (var channel in channels) target.See(channel);
        }
    }
}
