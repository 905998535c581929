using System.Runtime.CompilerServices;
using TorchSharp.Modules;
using TorchSharp.Utils;

namespace FilterPruning.Surgery;

/// <summary>
/// The only place that reaches into the private state of TorchSharp's optimizers. A renamed field throws <see cref="MissingFieldException"/>;
/// <c>OptimizerTests</c> say so before a user does.
/// </summary>
internal static class OptimizerInternals
{
    /// <summary>What an optimizer keeps for each parameter, by the parameter's handle.</summary>
    public static OrderedDict<IntPtr, OptimizerState> States(OptimizerHelper optimizer) => StatesField(optimizer);

    /// <summary>The parameter that a state belongs to.</summary>
    public static Parameter Parameter(OptimizerState state) => ParameterField(state);

    /// <summary>Files what was kept under one handle under another, in the same place of the order: the parameter is the same object, but stands for another native tensor.</summary>
    public static void Rekey(OptimizerHelper optimizer, IntPtr from, IntPtr to)
    {
        var states = StatesField(optimizer);
        if (!states.TryGetValue(from, out var state))
            return;
        var place = states.IndexOf((from, state));
        states.RemoveAt(place);
        states.Insert(place, (to, state));
    }

    /// <summary>Files everything under the handles that the parameters have now, in the same order.</summary>
    public static void Rekey(OptimizerHelper optimizer)
    {
        var stale = new List<(IntPtr From, IntPtr To)>();
        foreach (var (handle, state) in StatesField(optimizer))
        {
            if (ParameterField(state) is { IsInvalid: false } parameter && parameter.Handle != handle)
                stale.Add((handle, parameter.Handle));
        }

        foreach (var (from, to) in stale)
            Rekey(optimizer, from, to);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_state")]
    private static extern ref OrderedDict<IntPtr, OptimizerState> StatesField(OptimizerHelper optimizer);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_parameter")]
    private static extern ref Parameter ParameterField(OptimizerState state);
}
