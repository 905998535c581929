using FilterPruning.Graph;

namespace FilterPruning.Tracing;

/// <summary>
/// Runs the model's code on fewer channels without cutting anything: every layer hands on an output that lacks the channels of some groups, checks that its own
/// input lacks exactly those it should, and then works on a stand-in of full width. So it comes out which groups the code itself insists on, by a number written down
/// (<c>view(-1, 400)</c>, <c>x[:, :8]</c>), before anything depends on it.
/// </summary>
internal sealed class Rehearsal
{
    private readonly IReadOnlyList<LayerNode> _nodes;
    private readonly Dictionary<LayerNode, TracedLayer> _layers;
    private readonly Action _forward;
    private readonly int _seed;
    private int _scale;

    private Rehearsal(IReadOnlyList<LayerNode> nodes, IReadOnlyList<TracedLayer> layers, Action forward, int seed)
    {
        var byName = layers.ToDictionary(layer => layer.Name, StringComparer.Ordinal);
        _nodes = nodes.Where(node => byName.ContainsKey(node.Name)).ToList();
        _layers = _nodes.ToDictionary(node => node, node => byName[node.Name]);
        (_forward, _seed) = (forward, seed);
    }

    /// <summary>Finds the groups that the code does not let go, with what happened when they went.</summary>
    /// <param name="nodes">All layers of the model.</param>
    /// <param name="layers">The traced ones, with their groups.</param>
    /// <param name="groups">The groups.</param>
    /// <param name="forward">Runs the model once; may throw.</param>
    /// <param name="seed">Seed of the values and of the choice of channels.</param>
    public static IReadOnlyDictionary<int, string> FixedGroups(
        IReadOnlyList<LayerNode> nodes, IReadOnlyList<TracedLayer> layers, IReadOnlyList<ChannelGroup> groups, Action forward, int seed)
    {
        var rehearsal = new Rehearsal(nodes, layers, forward, seed);
        var failures = new Dictionary<int, string>();
        var roles = ChannelRole.Of(groups).Where(role => role.Pin is null).ToList();
        // Everything at once first: most models pass, and that costs one forward.
        if (rehearsal.Failure(roles) is null || !rehearsal.FindScale()) return failures;
        for (var left = roles; rehearsal.Failure(left) is not null; left = left.Where(role => !failures.ContainsKey(role.Groups[0])).ToList())
            rehearsal.Search(left, failures);
        return failures;
    }

    // A forward may refuse the values rather than the widths. Without any values it takes, a rehearsal says nothing.
    private bool FindScale()
    {
        for (_scale = 0; _scale < PortValues.Scales; _scale++)
            if (Failure([]) is null) return true;
        return false;
    }

    // Halves, down to single roles.
    private void Search(List<ChannelRole> roles, Dictionary<int, string> failures)
    {
        if (roles.Count == 0 || Failure(roles) is not { } failure) return;
        if (roles.Count == 1)
        {
            foreach (var group in roles[0].Groups) failures[group] = failure;
            return;
        }
        var middle = roles.Count / 2;
        var (before, first, second) = (failures.Count, roles.Take(middle).ToList(), roles.Skip(middle).ToList());
        Search(first, failures);
        Search(second, failures);
        if (failures.Count > before) return;
        // Each half passes and both together do not: the second stays whole.
        foreach (var group in second.SelectMany(role => role.Groups)) failures[group] = failure;
    }

    private string? Failure(List<ChannelRole> roles)
    {
        var removed = Choose(roles);
        if (removed.Count == 0 && roles.Count > 0) return null;
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var generator = new Generator((ulong)_seed, CPU);
        generator.manual_seed(_seed);
        using var stage = new Stage(_nodes, _layers, removed, PortValues.ForTrial(_scale, generator));
        try
        {
            _forward();
            return null;
        }
        catch (WrongWidthException error)
        {
            return error.Message;
        }
        catch (Exception error)
        {
            // Whatever the model's code says about a narrower tensor, it says that it needs the wide one.
            return stage.Mismatch ?? $"the forward threw: {FirstLine(error.GetBaseException().Message)}";
        }
    }

    // About a third of each role's groups, no layer emptied.
    private HashSet<int> Choose(List<ChannelRole> roles)
    {
        var random = new Random(_seed);
        var removed = new HashSet<int>();
        foreach (var role in roles)
        {
            var groups = role.Groups.ToArray();
            random.Shuffle(groups);
            removed.UnionWith(groups.Take(Math.Max(1, groups.Length / 3)));
        }
        foreach (var layer in _layers.Values)
        {
            Spare(layer.InputGroups, removed);
            Spare(layer.OutputGroups, removed);
        }
        return removed;
    }

    private static void Spare(int[] groups, HashSet<int> removed)
    {
        if (groups.Length > 0 && Array.TrueForAll(groups, removed.Contains)) removed.Remove(groups[0]);
    }

    private static string FirstLine(string message)
    {
        var end = message.IndexOf('\n', StringComparison.Ordinal);
        return end < 0 ? message : message[..end];
    }

    private sealed class WrongWidthException(string message) : Exception(message);

    /// <summary>The hooks of one rehearsal.</summary>
    private sealed class Stage : IDisposable
    {
        private readonly List<Action> _removers = [];
        private readonly PortValues _values;

        public Stage(IReadOnlyList<LayerNode> nodes, Dictionary<LayerNode, TracedLayer> layers, HashSet<int> removed, PortValues values)
        {
            _values = values;
            foreach (var node in nodes)
            {
                var inputs = layers[node].InputGroups.Count(group => !removed.Contains(group));
                var outputs = layers[node].OutputGroups.Count(group => !removed.Contains(group));
                var before = node.Module.register_forward_pre_hook((_, input) => Widen(node, input, inputs));
                _removers.Add(before.remove);
                var after = node.Module.register_forward_hook((_, _, output) => Narrow(node, output, outputs));
                _removers.Add(after.remove);
            }
        }

        /// <summary>The first wrong width, even where the model's own code caught the exception.</summary>
        public string? Mismatch { get; private set; }

        public void Dispose()
        {
            foreach (var remove in _removers) remove();
        }

        private Tensor Widen(LayerNode node, Tensor input, int expected)
        {
            var axis = node.Rule.InputAxis(node.Module, input);
            var shape = input.shape;
            if (axis < 0 || axis >= shape.Length || shape[axis] != expected)
            {
                Mismatch ??= $"{node.Name} got an input of shape [{string.Join(", ", shape)}] where {expected} channels should have been left";
                throw new WrongWidthException(Mismatch);
            }
            if (expected == node.Inputs) return input;
            shape[axis] = node.Inputs;
            return ones(shape, dtype: input.dtype, device: input.device);
        }

        private Tensor Narrow(LayerNode node, Tensor output, int kept)
        {
            if (!output.is_floating_point()) return output;
            var shape = output.shape;
            shape[node.Rule.OutputAxis(node.Module, output)] = kept;
            return _values.Like(output, shape);
        }
    }
}
