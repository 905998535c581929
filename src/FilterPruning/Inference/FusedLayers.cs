using System.Runtime.CompilerServices;

namespace FilterPruning.Inference;

/// <summary>A layer, with what follows it, that can run as one operation.</summary>
public interface IFusedLayer
{
    /// <summary>Lets it run as one operation from now on.</summary>
    void Prepare();

    /// <summary>Runs layer by layer from now on and lets go of what was prepared.</summary>
    void Release();
}

/// <summary>Which modules are part of something prepared at the moment, so that a clock times them as they run. Keeps no module alive.</summary>
internal static class FusedLayers
{
    private static readonly ConditionalWeakTable<nn.Module, IFusedLayer> _prepared = [];

    [ThreadStatic]
    private static Action<nn.Module, bool>? _watcher;

    public static void Add(nn.Module module, IFusedLayer fused) => _prepared.AddOrUpdate(module, fused);

    public static void Remove(nn.Module module, IFusedLayer fused)
    {
        if (_prepared.TryGetValue(module, out var now) && ReferenceEquals(now, fused))
            _prepared.Remove(module);
    }

    /// <summary>What a module is part of, or null.</summary>
    public static IFusedLayer? Of(nn.Module module) => _prepared.TryGetValue(module, out var fused) ? fused : null;

    /// <summary>Tells of each run of a prepared layer on this thread, before it (true) and after it (false), until the result is disposed.</summary>
    public static IDisposable Watch(Action<nn.Module, bool> watcher)
    {
        var before = _watcher;
        _watcher = watcher;
        return new Ending(() => _watcher = before);
    }

    /// <summary>Runs the operation of a prepared layer.</summary>
    public static Tensor Run(nn.Module module, Func<Tensor> operation)
    {
        if (_watcher is not { } watcher)
            return operation();
        watcher(module, true);
        var output = operation();
        watcher(module, false);
        return output;
    }

    private sealed class Ending(Action end) : IDisposable
    {
        public void Dispose() => end();
    }
}
