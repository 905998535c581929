using System.Runtime.CompilerServices;
using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary>
/// The only place that reaches into TorchSharp's private state: the width fields that its layers check or report and that no public setter
/// changes. A renamed field throws <see cref="MissingFieldException"/>; <c>WidthsTests</c> says so before a user does.
/// </summary>
internal static class Widths
{
    public static void SetConvolution(Convolution layer, long inputs, long outputs)
    {
        ConvolutionInputs(layer) = inputs;
        ConvolutionCheckedInputs(layer) = inputs;
        ConvolutionOutputs(layer) = outputs;
    }

    public static void SetNorm(NormBase layer, long features) => NormFeatures(layer) = features;

    public static void SetPRelu(PReLU layer, long parameters) => PReluParameters(layer) = parameters;

    /// <summary>The width a convolution compares its input against; a private twin of <c>in_channels</c>.</summary>
    public static long CheckedInputs(Convolution layer) => ConvolutionCheckedInputs(layer);

    public static void SetHidden(LSTM layer, long hidden) => LstmHidden(layer) = hidden;

    public static void SetHidden(GRU layer, long hidden) => GruHidden(layer) = hidden;

    public static bool IsBatchFirst(LSTM layer) => LstmBatchFirst(layer);

    public static bool IsBatchFirst(GRU layer) => GruBatchFirst(layer);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_hidden_size")]
    private static extern ref long LstmHidden(LSTM layer);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_hidden_size")]
    private static extern ref long GruHidden(GRU layer);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_batch_first")]
    private static extern ref bool LstmBatchFirst(LSTM layer);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_batch_first")]
    private static extern ref bool GruBatchFirst(GRU layer);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "input_channels")]
    private static extern ref long ConvolutionCheckedInputs(Convolution layer);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "<in_channels>k__BackingField")]
    private static extern ref long ConvolutionInputs(Convolution layer);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "<out_channels>k__BackingField")]
    private static extern ref long ConvolutionOutputs(Convolution layer);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "<num_features>k__BackingField")]
    private static extern ref long NormFeatures(NormBase layer);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "<num_parameters>k__BackingField")]
    private static extern ref long PReluParameters(PReLU layer);
}
