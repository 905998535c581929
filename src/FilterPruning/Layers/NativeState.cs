using System.Reflection;
using System.Runtime.CompilerServices;

namespace FilterPruning.Layers;

/// <summary>
/// Exchanges what two modules of the same type hold on the native side: the module itself and the tensors behind its parameters. The objects on the managed side (the layer in its parent's field,
/// its hooks, its <c>Parameter</c>s in an optimizer) stay the same and now stand for the other module.
/// </summary>
/// <remarks>Like <see cref="Widths"/> this reaches into TorchSharp's private state; <c>NativeLayerTests</c> fail loudly when that changes.</remarks>
internal static class NativeState
{
    private static readonly FieldInfo _handle = Field(typeof(nn.Module), "handle");
    private static readonly FieldInfo _boxed = Field(typeof(nn.Module), "boxedModule");

    /// <summary>Exchanges the two modules' native sides. Calling it again takes it back.</summary>
    /// <param name="first">One module.</param>
    /// <param name="second">The other; it has parameters of the same names.</param>
    public static void Exchange(nn.Module first, nn.Module second)
    {
        var others = second.named_parameters(recurse: false).ToDictionary(entry => entry.name, entry => entry.parameter, StringComparer.Ordinal);
        foreach (var (name, parameter) in first.named_parameters(recurse: false).ToList())
            (Handle(parameter), Handle(others[name])) = (Handle(others[name]), Handle(parameter));
        Exchange(_handle, first, second);
        Exchange(_boxed, first, second);
    }

    private static void Exchange(FieldInfo field, nn.Module first, nn.Module second)
    {
        var (one, other) = (field.GetValue(first), field.GetValue(second));
        field.SetValue(first, other);
        field.SetValue(second, one);
    }

    private static FieldInfo Field(Type type, string name) =>
        type.GetField(name, BindingFlags.Instance | BindingFlags.NonPublic) ?? throw new MissingFieldException(type.FullName, name);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "handle")]
    private static extern ref IntPtr Handle(Tensor tensor);
}
