using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary>Forward hooks for the module signatures we know, seen through one pair of functions on lists of tensors.</summary>
internal static class CallHooks
{
    public static IDisposable Attach(nn.Module module, string kind, CallWatcher watcher) => module switch
    {
        nn.Module<Tensor, Tensor> one => Attach(one, watcher),
        nn.Module<Tensor, Tensor, Tensor> two => Attach(two, watcher),
        nn.Module<Tensor, Tensor, (Tensor, Tensor)> state => Attach(state, watcher),
        nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)> states => Attach(states, watcher),
        nn.Module<Tensor, Tensor, Tensor, Tensor> three => Attach(three, watcher),
        nn.Module<Tensor, Tensor, Tensor, Tensor?, bool, Tensor?, Tuple<Tensor, Tensor>> attention => Attach(attention, watcher),
        _ => throw new PruningException(
            $"The rule {kind} describes a {module.GetType().Name}, whose calls cannot be watched: its forward takes or returns something other than a few tensors. Override {nameof(LayerRule.Watch)} in the rule."),
    };

    private static Removers Attach(nn.Module<Tensor, Tensor> module, CallWatcher watcher)
    {
        var removers = new Removers();
        if (watcher.Before is { } before) removers.Add(module.register_forward_pre_hook((_, x) => before([x])[0]!).remove);
        if (watcher.After is { } after) removers.Add(module.register_forward_hook((_, x, y) => after([x], [y])[0]).remove);
        return removers;
    }

    private static Removers Attach(nn.Module<Tensor, Tensor, Tensor> module, CallWatcher watcher)
    {
        var removers = new Removers();
        if (watcher.Before is { } before)
        {
            removers.Add(module.register_forward_pre_hook((_, x1, x2) =>
            {
                var used = before([x1, x2]);
                return (used[0]!, used[1]!);
            }).remove);
        }
        if (watcher.After is { } after) removers.Add(module.register_forward_hook((_, x1, x2, y) => after([x1, x2], [y])[0]).remove);
        return removers;
    }

    private static Removers Attach(nn.Module<Tensor, Tensor, Tensor, Tensor> module, CallWatcher watcher)
    {
        var removers = new Removers();
        if (watcher.Before is { } before)
        {
            removers.Add(module.register_forward_pre_hook((_, x1, x2, x3) =>
            {
                var used = before([x1, x2, x3]);
                return (used[0]!, used[1]!, used[2]!);
            }).remove);
        }
        if (watcher.After is { } after) removers.Add(module.register_forward_hook((_, x1, x2, x3, y) => after([x1, x2, x3], [y])[0]).remove);
        return removers;
    }

    // GRU and the like: input and state, output and state.
    private static Removers Attach(nn.Module<Tensor, Tensor, (Tensor, Tensor)> module, CallWatcher watcher)
    {
        var removers = new Removers();
        if (watcher.Before is { } before)
        {
            removers.Add(module.register_forward_pre_hook((_, x, h) =>
            {
                var used = before([x, h]);
                return (used[0]!, used[1]!);
            }).remove);
        }
        if (watcher.After is { } after)
        {
            removers.Add(module.register_forward_hook((_, x, h, y) =>
            {
                var handed = after([x, h], [y.Item1, y.Item2]);
                return (handed[0], handed[1]);
            }).remove);
        }
        return removers;
    }

    // LSTM: input and two states, output and two states.
    private static Removers Attach(nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)> module, CallWatcher watcher)
    {
        var removers = new Removers();
        if (watcher.Before is { } before)
        {
            removers.Add(module.register_forward_pre_hook((_, x, states) =>
            {
                var used = before(Inputs(x, states));
                return (used[0]!, used[1] is { } h && used[2] is { } c ? (h, c) : null);
            }).remove);
        }
        if (watcher.After is { } after)
        {
            removers.Add(module.register_forward_hook((_, x, states, y) =>
            {
                var handed = after(Inputs(x, states), [y.Item1, y.Item2, y.Item3]);
                return (handed[0], handed[1], handed[2]);
            }).remove);
        }
        return removers;

        static Tensor?[] Inputs(Tensor x, (Tensor, Tensor)? states) => [x, states?.Item1, states?.Item2];
    }

    // Multi-head attention: query, key, value and two masks; output and, if asked for, the weights.
    private static Removers Attach(nn.Module<Tensor, Tensor, Tensor, Tensor?, bool, Tensor?, Tuple<Tensor, Tensor>> module, CallWatcher watcher)
    {
        var removers = new Removers();
        if (watcher.Before is { } before)
        {
            removers.Add(module.register_forward_pre_hook((_, q, k, v, padding, weights, mask) =>
            {
                var used = before([q, k, v, padding, mask]);
                return (used[0]!, used[1]!, used[2]!, used[3], weights, used[4]);
            }).remove);
        }
        if (watcher.After is { } after)
        {
            removers.Add(module.register_forward_hook((_, q, k, v, padding, weights, mask, y) =>
            {
                var hasWeights = y.Item2 is { IsInvalid: false };
                var handed = after([q, k, v, padding, mask], hasWeights ? [y.Item1, y.Item2] : [y.Item1]);
                return Tuple.Create(handed[0], hasWeights ? handed[1] : y.Item2);
            }).remove);
        }
        return removers;
    }

    private sealed class Removers : IDisposable
    {
        private readonly List<Action> _all = [];

        public void Add(Action remove) => _all.Add(remove);

        public void Dispose()
        {
            foreach (var remove in _all) remove();
            _all.Clear();
        }
    }
}
