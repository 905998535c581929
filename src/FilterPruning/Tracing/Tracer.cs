using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Storage;

namespace FilterPruning.Tracing;

/// <summary>Runs the trials and gathers the evidence from which a <see cref="DependencyGraph"/> is built.</summary>
internal sealed class Tracer
{
    private readonly nn.Module _model;
    private readonly Func<Tensor?, object?> _forward;
    private readonly Tensor? _example;
    private readonly TraceOptions _options;
    private readonly List<LayerNode> _nodes;
    private readonly Dictionary<IntPtr, LayerNode> _bare = [];
    private readonly Evidence _evidence = new();
    private readonly Dictionary<LayerNode, List<LayerCall>> _shapes = [];
    private readonly Dictionary<LayerNode, LayerCall> _samples = [];
    private HashSet<LayerNode> _trainingOnly = [];

    private Tracer(nn.Module model, Func<Tensor?, object?> forward, Tensor? example, TraceOptions options)
    {
        (_model, _forward, _example, _options) = (model, forward, example, options);
        _nodes = LayerNode.Find(model, new LayerRules(options.Rules));
        if (_nodes.Count == 0)
            throw new PruningException($"{model.GetName()} has no layer that can be traced: no convolution, linear layer or norm, and no module with a rule of its own among its registered children.");
    }

    /// <param name="model">The model; left as found.</param>
    /// <param name="forward">Runs it; gets the stand-in for the example where there is one.</param>
    /// <param name="example">The model's input where it is a single tensor.</param>
    /// <param name="options">Valid options.</param>
    public static DependencyGraph Trace(nn.Module model, Func<Tensor?, object?> forward, Tensor? example, TraceOptions options)
    {
        using var scope = NewDisposeScope();
        var tracer = new Tracer(model, forward, example, options);
        using var state = new ModelState(model);
        try
        {
            options.OnTrial?.Invoke(0, options.MaximumTrials + 1);
            tracer.RunPlain();
            tracer.RunTrials(state, tracer.OpenWeights(state));
            options.OnTrial?.Invoke(options.MaximumTrials + 1, options.MaximumTrials + 1);
        }
        catch (ForwardFailedException error)
        {
            throw new PruningException(error.Message, error.InnerException!);
        }
        var trials = options.KnownTies is null ? tracer.Trials() : ((Rehearsal, Partners)?)null;
        return new GraphBuilder(tracer._nodes, tracer._evidence, tracer._shapes, tracer._samples).Build(model, () => forward(example), trials, options.KnownTies ?? []);
    }

    // All that the forward may return is looked at: a lazy result does its work only then.
    private (Rehearsal, Partners) Trials() =>
        (new Rehearsal(_nodes, () => ReturnedTensors.In(_forward(_example)), _options.Seed), new Partners(_nodes, () => _forward(_example), _options.Seed));

    /// <summary>The unprobed forward gives the order of the layers and the true shapes of their calls.</summary>
    private void RunPlain()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var recording = new Recording(_nodes, values: null);
        Forward(_example);
        foreach (var call in recording.Calls) _evidence.For(call);
        KeepShapes(recording);
    }

    private void RunTrials(ModelState state, IReadOnlyList<Weight> weights)
    {
        ForwardFailedException? failure = null;
        using var generator = new Generator((ulong)_options.Seed, CPU);
        generator.manual_seed(_options.Seed);
        var chance = new Chance(generator, NumberPool.Weights(generator), new Random(_options.Seed));
        for (var trial = 0; trial < _options.MaximumTrials; trial++)
        {
            _options.OnTrial?.Invoke(trial + 1, _options.MaximumTrials + 1);
            try
            {
                RunTrial(PortValues.ForTrial(trial, chance.Generator), chance, weights);
                _evidence.Trials++;
            }
            catch (ForwardFailedException error)
            {
                // Some code refuses some values; another scale may pass.
                failure = error;
                continue;
            }
            if (_evidence.Trials >= 2 && !_evidence.Calls.Any(call => call.IsDark)) break;
        }
        if (_evidence.Trials == 0)
        {
            // Code that writes into a buffer in place does not bear the buffer to be watched.
            if (!weights.Any(weight => weight.IsBuffer)) throw failure!;
            foreach (var weight in weights.Where(weight => weight.IsBuffer)) state.Close(weight.Tensor);
            RunTrials(state, [.. weights.Where(weight => !weight.IsBuffer)]);
            return;
        }
        RunTrainingTrials(chance, weights);
    }

    /// <summary>
    /// Layers that no forward called in evaluation mode may belong to a branch that only training takes (an auxiliary classifier): what they read goes with what they read it from. Of all else a
    /// training forward says nothing here.
    /// </summary>
    private void RunTrainingTrials(Chance chance, IReadOnlyList<Weight> weights)
    {
        _trainingOnly = [.. _nodes.Where(node => node.Rule is not BareTensorRule).Except(_evidence.Calls.Select(call => call.Layer))];
        if (_trainingOnly.Count == 0) return;
        _model.train();
        try
        {
            for (var trial = 0; trial < 2; trial++) RunTrial(PortValues.ForTrial(trial, chance.Generator), chance, weights);
        }
        catch (ForwardFailedException)
        {
            // A detector wants targets, a batch norm more than one image: the layers stay unseen.
        }
        finally
        {
            _model.eval();
        }
    }

    private void RunTrial(PortValues values, Chance chance, IReadOnlyList<Weight> weights)
    {
        using var scope = NewDisposeScope();
        set_grad_enabled(true);
        using var recording = new Recording(_nodes, values);
        var leaf = _example is { } example && example.is_floating_point() ? example.detach().clone().requires_grad_(true) : null;
        // The copy, not the leaf: in-place code on a leaf throws.
        var returned = Forward(leaf?.clone() ?? _example);
        KeepShapes(recording);
        var sources = new TrialSources(recording, leaf, weights);
        try
        {
            foreach (var call in recording.Calls.Where(call => _trainingOnly.Count == 0 || _trainingOnly.Contains(call.Layer))) ProbeInput(call, sources, chance);
            ProbeReturned(returned, sources, chance);
        }
        finally
        {
            sources.ThrowIfLayersWereBypassed();
        }
    }

    private void ProbeInput(RecordedCall call, TrialSources sources, Chance chance)
    {
        var evidence = _evidence.For(call);
        if (call.Ports.Count == 0 || call.Ports.Any(port => port.Leaf.numel() == 0) || call.InputShape.Contains(0)) return;
        evidence.Seen = true;
        foreach (var (port, input) in call.Inputs)
        {
            if (!input.requires_grad) continue;
            evidence.HasHistory = true;
            try
            {
                foreach (var reach in ChannelProbe.Run(input, port.Axis, sources.Before(call), chance, sources.Owned, Known)) Book(InChannels(reach, port, call.Layer, sources), call, sources);
            }
            catch (NotDifferentiableException error)
            {
                evidence.Obstacle = error.Message;
            }
        }

        Predicate<int>? Known(ProbeSource source) =>
            sources.PortOf(source) is { } known && _evidence.OutputsSeen(known.Call, call) is { } outputs ? unit => outputs.Contains(known.Port.Channel(unit)) : null;
    }

    /// <summary>The same in channels, where the probe speaks of positions along the axes of source and reader.</summary>
    private static Reach InChannels(Reach reach, TensorPort port, LayerNode reader, TrialSources sources)
    {
        var source = sources.PortOf(reach.Source);
        // Most positions are channels.
        if (port is { Side: ChannelAxis.Input, Offset: 0, Count: null } && source is null or { Port: { Offset: 0, Count: null } }) return reach;
        return reach with
        {
            Exact = [.. reach.Exact.Select(pair => (Unit(pair.Unit), Channel(pair.Channel))).Distinct()],
            Mixed = [.. reach.Mixed.GroupBy(pair => Unit(pair.Unit)).Select(unit => (unit.Key, unit.SelectMany(pair => pair.Channels).Select(Channel).Distinct().ToArray()))],
        };

        int Channel(int position) => reader.Number(port.Side, port.Channel(position));

        int Unit(int position) => source is { } known ? known.Port.Channel(position) : position;
    }

    private void Book(Reach reach, RecordedCall call, TrialSources sources)
    {
        if (sources.PortOf(reach.Source) is { } port)
        {
            _evidence.AddReach(_evidence.For(port.Call), _evidence.For(call), reach);
            return;
        }
        if (reach.FoundAxis is { } axis && sources.WeightOf(reach.Source) is { Owner: null } weight && Bare(weight, axis) is { } bare)
        {
            _evidence.AddReach(_evidence.For(bare), _evidence.For(call), reach);
            return;
        }
        var name = sources.OutsideName(reach.Source);
        foreach (var (_, channel) in reach.Exact) _evidence.For(call).FromOutside.TryAdd(channel, name);
    }

    /// <summary>The node of a parameter or buffer outside all layers; null when its channels were found along another axis before.</summary>
    private LayerNode? Bare(Weight weight, int axis)
    {
        if (_evidence.SharedWeights.ContainsKey(weight.Tensor.Identity())) return null;
        if (!_bare.TryGetValue(weight.Tensor.Identity(), out var node))
        {
            var last = _nodes[^1];
            _bare[weight.Tensor.Identity()] = node = new LayerNode(weight.Name, weight.Module, new BareTensorRule(weight.LocalName, axis, weight.IsBuffer), last.FirstUnit + last.UnitCount);
            _nodes.Add(node);
        }
        return ((BareTensorRule)node.Rule).Axis == axis ? node : null;
    }

    private void ProbeReturned(IReadOnlyList<Tensor> returned, TrialSources sources, Chance chance)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        foreach (var output in returned.Where(t => !t.IsInvalid && t.requires_grad && !t.is_leaf && t.is_floating_point() && t.numel() > 0))
        {
            var cotangent = chance.Weights.Next(output.shape, output);
            try
            {
                MarkReturned(sources, Gradients.Of([output], sources.All().Select(s => s.Leaf).ToArray(), [cotangent], sources.Owned));
            }
            catch (NotDifferentiableException)
            {
                // What leads nowhere else is pinned for that; what leads elsewhere too is for the rehearsal and the proof to find.
            }
        }
    }

    private void MarkReturned(TrialSources sources, Tensor?[] gradients)
    {
        var all = sources.All();
        for (var i = 0; i < all.Count; i++)
        {
            if (gradients[i] is not { } gradient || gradient.numel() == 0) continue;
            if (sources.PortOf(all[i]) is { } port)
            {
                var reached = all[i].Rows(gradient).ne(0).any(1).cpu().data<bool>().ToArray();
                if (_trainingOnly.Count > 0 && !_trainingOnly.Contains(port.Call.Layer)) continue;
                MarkReturned(_evidence.For(port.Call), Enumerable.Range(0, reached.Length).Where(at => reached[at]).Select(port.Port.Channel));
                continue;
            }
            if (!gradient.ne(0).any().item<bool>()) continue;
            if (_trainingOnly.Count > 0) continue;
            if (sources.WeightOf(all[i]) is { } weight && _bare.TryGetValue(weight.Tensor.Identity(), out var bare)) MarkReturned(_evidence.For(bare), Enumerable.Range(0, bare.Outputs));
        }
    }

    private static void MarkReturned(CallEvidence evidence, IEnumerable<int> channels)
    {
        foreach (var channel in channels) evidence.OutputReturned[channel] = evidence.OutputLive[channel] = true;
    }

    /// <summary>Every weight of the model, opened to derivatives: those of layers must be reached by none, the others belong to code without a rule.</summary>
    private List<Weight> OpenWeights(ModelState state)
    {
        var weights = new List<Weight>();
        var outside = WeightsOutsideLayers();
        var known = new HashSet<IntPtr>();
        foreach (var node in _nodes)
        {
            foreach (var part in node.Rule.Tensors(node.Module))
            {
                // A weight with a second owner (an embedding that is also the last layer's matrix) may well be used outside its layer.
                if (outside.TryGetValue(part.Tensor.Identity(), out var other)) _evidence.SharedWeights[part.Tensor.Identity()] = other.Name;
                else if (part.Role == TensorRole.Weight) Add(new Weight(part.Tensor, $"{node.Name}.{part.Name}", node, node.Module, part.Name, false));
            }
        }
        foreach (var weight in outside.Values)
            if (Add(weight) && !weight.IsBuffer) state.Enliven(weight.Tensor, _options.Seed);
        return weights;

        bool Add(Weight weight)
        {
            if (!known.Add(weight.Tensor.Identity()) || !state.Open(weight.Tensor)) return false;
            weights.Add(weight);
            return true;
        }
    }

    // The parameters and buffers that modules without a rule hold themselves.
    private Dictionary<IntPtr, Weight> WeightsOutsideLayers()
    {
        var found = new Dictionary<IntPtr, Weight>();
        var layers = new HashSet<nn.Module>(_nodes.Select(node => node.Module), ReferenceEqualityComparer.Instance);
        Visit("", _model);
        return found;

        void Visit(string path, nn.Module module)
        {
            // What else a layer owns is its own business.
            if (!layers.Add(module)) return;
            foreach (var (name, parameter) in module.named_parameters(recurse: false)) Add(path, module, name, parameter, false);
            foreach (var (name, buffer) in module.named_buffers(recurse: false)) Add(path, module, name, buffer, true);
            foreach (var (name, child) in module.named_children()) Visit(Join(path, name), child);
        }

        void Add(string path, nn.Module module, string name, Tensor tensor, bool isBuffer)
        {
            if (!tensor.IsInvalid) found.TryAdd(tensor.Identity(), new Weight(tensor, Join(path, name), null, module, name, isBuffer));
        }

        static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";
    }

    private IReadOnlyList<Tensor> Forward(Tensor? example)
    {
        try
        {
            return ReturnedTensors.In(_forward(example));
        }
        catch (Exception error) when (error is not PruningException)
        {
            throw new ForwardFailedException(
                $"The forward of {_model.GetName()} threw while it was traced ({error.Message}). Check that it runs in evaluation mode on the example as given.", error);
        }
    }

    // A layer that got nothing in the plain forward (no detections) keeps the shapes of the first trial in which it did.
    private void KeepShapes(Recording recording)
    {
        foreach (var group in recording.Calls.GroupBy(call => call.Layer))
        {
            var shapes = group.Where(call => call.OutputShape.Length > 0).Select(call => new LayerCall(call.InputShape, call.OutputShape)).ToList();
            if (shapes.Count == 0) continue;
            _samples[group.Key] = shapes[0];
            // Calls that only training makes are no part of a forward's cost.
            if (_trainingOnly.Count > 0) continue;
            var empty = shapes.TrueForAll(call => call.InputShape.Contains(0));
            if (!_shapes.TryGetValue(group.Key, out var kept) || (kept.All(call => call.InputShape.Contains(0)) && !empty)) _shapes[group.Key] = shapes;
        }
    }

    private sealed class ForwardFailedException(string message, Exception inner) : Exception(message, inner);
}
