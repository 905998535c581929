using TorchSharp.Utils;

namespace DetectionServer.Inference;

internal static class TensorValues
{
    /// <summary>A tensor's values; TorchSharp's own ToArray throws when there are none.</summary>
    public static T[] ToArrayOrEmpty<T>(this TensorAccessor<T> values, int count)
        where T : unmanaged => count == 0 ? [] : values.ToArray();
}
