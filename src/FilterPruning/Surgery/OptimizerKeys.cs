using System.Runtime.CompilerServices;
using TorchSharp.Modules;
using TorchSharp.Utils;

namespace FilterPruning.Surgery;

/// <summary>Optimizers keep the state of each parameter under its native handle. When the handle of a parameter changes, its state moves.</summary>
internal static class OptimizerKeys
{
    public static void Move(IReadOnlyList<optim.Optimizer> optimizers, IntPtr from, IntPtr to)
    {
        foreach (var optimizer in optimizers.OfType<OptimizerHelper>())
        {
            var states = State(optimizer);
            if (!states.TryGetValue(from, out var state)) continue;
            states.Remove(from);
            states[to] = state;
        }
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_state")]
    private static extern ref OrderedDict<IntPtr, OptimizerState> State(OptimizerHelper optimizer);
}
