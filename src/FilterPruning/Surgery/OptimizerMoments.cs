using System.Reflection;
using System.Runtime.CompilerServices;
using TorchSharp.Modules;

namespace FilterPruning.Surgery;

/// <summary>
/// The running averages that optimizers keep for each parameter: momentum, second moments. They have the shape of their parameter and are cut with it,
/// so that training goes on where it was. Parameters stay the same objects, so nothing has to be told to the optimizer itself.
/// </summary>
internal static class OptimizerMoments
{
    /// <summary>Finds what must shrink when these tensors do.</summary>
    /// <returns>One entry per average, with the positions of its parameter's channels.</returns>
    public static IReadOnlyList<Moment> Of(IReadOnlyList<optim.Optimizer> optimizers, IReadOnlyList<LayerCut> cuts)
    {
        var byParameter = new Dictionary<IntPtr, TensorCut>();
        foreach (var tensor in cuts.SelectMany(cut => cut.Tensors))
            byParameter.TryAdd(tensor.Tensor.Handle, tensor);
        var moments = new List<Moment>();
        foreach (var state in optimizers.SelectMany(optimizer => ((OptimizerHelper)optimizer).state_dict().State))
        {
            if (!byParameter.TryGetValue(Parameter(state).Handle, out var cut))
                continue;
            foreach (var field in state.GetType().GetFields(BindingFlags.Public | BindingFlags.Instance).Where(field => field.FieldType == typeof(Tensor)))
            {
                if (field.GetValue(state) is Tensor { IsInvalid: false } moment && moment.shape.SequenceEqual(cut.Tensor.shape))
                    moments.Add(new Moment(state, field, cut with { Name = field.Name, Tensor = moment }));
            }
        }

        return moments;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_parameter")]
    private static extern ref Parameter Parameter(OptimizerState state);
}

/// <summary>One running average of one parameter.</summary>
/// <param name="State">What the optimizer keeps for the parameter.</param>
/// <param name="Field">Where in it the average is.</param>
/// <param name="Cut">The average as it was found, with the positions that stay.</param>
internal sealed record Moment(OptimizerState State, FieldInfo Field, TensorCut Cut)
{
    /// <summary>The average as it is now: some optimizers put a new tensor into the field at each step. Null once the optimizer was disposed.</summary>
    public Tensor? Current => Field.GetValue(State) is Tensor { IsInvalid: false } tensor ? tensor : null;
}
