using System.Globalization;
using FilterPruning.Graph;
using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary>
/// <c>LSTM</c> and <c>GRU</c> with any number of layers, one or two directions. Weights <c>weight_ih_l{k}</c> <c>[gates · H, in]</c> and <c>weight_hh_l{k}</c> <c>[gates · H, H]</c>,
/// biases <c>[gates · H]</c>. The output channels are the hidden units; all layers and directions have equally many, so equal places of them go together.
/// </summary>
internal abstract class RecurrentRule(int gates) : LayerRule
{
    public override int InputChannels(nn.Module module) => (int)OwnParameters.Get(module, "weight_ih_l0").shape[1];

    public override int OutputChannels(nn.Module module) => Hidden(module) * Directions(module);

    public override int InputAxis(nn.Module module, Tensor input) => (int)input.dim() - 1;

    public override int OutputAxis(nn.Module module, Tensor output) => (int)output.dim() - 1;

    public override int TieLabel(nn.Module module, ChannelAxis side, int channel) => side == ChannelAxis.Output ? channel % Hidden(module) : channel;

    // Input, then the initial states, which have the layer's own channels.
    public override IReadOnlyList<TensorPort> InputPorts(nn.Module module, IReadOnlyList<Tensor?> inputs) =>
        [.. Enumerable.Range(0, inputs.Count).Where(i => inputs[i] is not null).Select(i => i == 0
            ? new TensorPort(0, InputAxis(module, inputs[0]!), ChannelAxis.Input)
            : new TensorPort(i, (int)inputs[i]!.dim() - 1, ChannelAxis.Output) { Count = Hidden(module) })];

    // Output [.., directions · H], then the last states [layers · directions, N, H].
    public override IReadOnlyList<TensorPort> OutputPorts(nn.Module module, IReadOnlyList<Tensor> outputs) =>
        [.. outputs.Select((output, i) => new TensorPort(i, (int)output.dim() - 1, ChannelAxis.Output) { Count = i == 0 ? null : Hidden(module) })];

    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module) => [.. module.named_parameters(recurse: false).Select(entry => Describe(entry.name, entry.parameter, Hidden(module)))];

    public override ChannelTensor Filters(nn.Module module) => Describe("weight_ih_l0", OwnParameters.Get(module, "weight_ih_l0"), Hidden(module));

    public override long Macs(
        nn.Module module, ChannelMapping mapping, IReadOnlyList<int> inputChannels, int outputChannels, ReadOnlySpan<long> inputShape, ReadOnlySpan<long> outputShape)
    {
        var (directions, hidden) = (Directions(module), (long)outputChannels / Directions(module));
        long perStep = 0;
        for (var layer = 0; layer < Layers(module); layer++)
            perStep += directions * gates * hidden * ((layer == 0 ? inputChannels[0] : directions * hidden) + hidden);
        return perStep * ConvolutionGroups.PositionsWithoutChannels(inputShape, inputShape.Length - 1);
    }

    /// <summary>The probability of dropout between the layers.</summary>
    public abstract double DropoutOf(nn.Module module);

    internal static int Layers(nn.Module module) => module.named_parameters(recurse: false).Count(entry => entry.name.StartsWith("weight_hh_l", StringComparison.Ordinal)) / Directions(module);

    internal static int Directions(nn.Module module) => Has(module, "weight_hh_l0_reverse") ? 2 : 1;

    internal static int Hidden(nn.Module module) => (int)OwnParameters.Get(module, "weight_hh_l0").shape[1];

    protected static bool HasBias(nn.Module module) => Has(module, "bias_ih_l0");

    private static bool Has(nn.Module module, string name) => module.named_parameters(recurse: false).Any(entry => entry.name == name);

    // The second direction's channels are tied to the first's, which therefore stand for both.
    private static ChannelTensor Describe(string name, Tensor tensor, int hidden)
    {
        var gatesAxis = new TensorAxis(0, ChannelAxis.Output) { Count = hidden };
        if (tensor.dim() == 1) return new ChannelTensor(name, tensor, [gatesAxis]);
        var first = name.StartsWith("weight_ih_l0", StringComparison.Ordinal);
        return new ChannelTensor(name, tensor, [gatesAxis, first ? new TensorAxis(1, ChannelAxis.Input) : new TensorAxis(1, ChannelAxis.Output) { Reads = true, Count = (int)tensor.shape[1] }]);
    }

    /// <summary>
    /// The dropout between the layers, which the native module does not tell: with weights that pass one layer's output on to the next, what is not dropped is scaled by 1 / (1 − p).
    /// </summary>
    /// <param name="module">The layer; its weights are exchanged meanwhile and put back.</param>
    /// <param name="candidate">The gate that makes new values.</param>
    /// <param name="open">Biases of the gates that let a candidate through as it is.</param>
    /// <param name="run">Runs the layer on [1, N, in] and returns the last hidden states [layers · directions, N, H].</param>
    protected static double Dropout(nn.Module module, int candidate, IReadOnlyList<double> open, Func<Tensor, Tensor> run)
    {
        if (Layers(module) < 2) return 0;
        const double Small = 1e-2;
        const long Batch = 64;
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var random = get_rng_state();
        var (training, hidden, directions) = (module.training, Hidden(module), Directions(module));
        var old = module.named_parameters(recurse: false).Select(entry => (entry.name, entry.parameter, Value: entry.parameter.detach())).ToList();
        try
        {
            foreach (var (name, parameter, value) in old) parameter.set_(PassingOn(name, value, hidden, candidate, open, Small));
            var input = ones([1, Batch, InputWidth(module)], dtype: old[0].parameter.dtype, device: old[0].parameter.device);
            module.eval();
            var plain = run(input)[directions];
            module.train();
            manual_seed(1);
            var dropped = run(input)[directions];
            var scale = (dropped.abs().max() / plain.abs().max()).to(float64).item<double>();
            return scale < 0.5 ? 1 : Math.Max(0, Math.Round(1 - (1 / scale), 3));
        }
        finally
        {
            foreach (var (_, parameter, value) in old) parameter.set_(value);
            module.train(training);
            set_rng_state(random);
        }
    }

    private static int InputWidth(nn.Module module) => (int)OwnParameters.Get(module, "weight_ih_l0").shape[1];

    // The first layer makes a constant out of ones; the second gives a small multiple of its input.
    private static Tensor PassingOn(string name, Tensor like, int hidden, int candidate, IReadOnlyList<double> open, double small)
    {
        var value = zeros_like(like);
        var layer = int.Parse(name[(name.LastIndexOf("_l", StringComparison.Ordinal) + 2)..].Replace("_reverse", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
        if (layer == 0 && name.StartsWith("weight_ih", StringComparison.Ordinal))
        {
            for (var gate = 0; gate < open.Count; gate++) value.narrow(0, gate * hidden, hidden).fill_((gate == candidate ? 1 : open[gate]) / like.shape[1]);
        }
        else if (layer > 0 && name.StartsWith("bias_ih", StringComparison.Ordinal))
        {
            for (var gate = 0; gate < open.Count; gate++) value.narrow(0, gate * hidden, hidden).fill_(gate == candidate ? 0 : open[gate]);
        }
        else if (layer > 0 && name.StartsWith("weight_ih", StringComparison.Ordinal))
        {
            value.narrow(0, candidate * hidden, hidden).narrow(1, 0, hidden).copy_(eye(hidden, dtype: like.dtype, device: like.device) * small);
        }
        return value;
    }
}

/// <summary>The rule of <c>LSTM</c>: gates input, forget, cell, output.</summary>
internal sealed class LstmRule() : RecurrentRule(4)
{
    public override string Kind => "LSTM";

    public override bool Handles(nn.Module module) => module is LSTM;

    public override double DropoutOf(nn.Module module) => Dropout(module, 2, [20, 0, 0, 20], input =>
    {
        var (_, last, _) = ((LSTM)module).forward(Widths.IsBatchFirst((LSTM)module) ? input.transpose(0, 1) : input, null);
        return last;
    });

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels) => Widths.SetHidden((LSTM)module, outputChannels / Directions(module));

    internal override bool IsExchanged => true;

    internal override nn.Module Resized(nn.Module module, int inputChannels, int outputChannels)
    {
        var like = OwnParameters.Get(module, "weight_hh_l0");
        return nn.LSTM(inputChannels, outputChannels / Directions(module), Layers(module), HasBias(module), Widths.IsBatchFirst((LSTM)module), DropoutOf(module), Directions(module) == 2, like.device, like.dtype);
    }
}

/// <summary>The rule of <c>GRU</c>: gates reset, update, new.</summary>
internal sealed class GruRule() : RecurrentRule(3)
{
    public override string Kind => "GRU";

    public override bool Handles(nn.Module module) => module is GRU;

    public override double DropoutOf(nn.Module module) => Dropout(module, 2, [0, -20, 0], input =>
    {
        var (_, last) = ((GRU)module).forward(Widths.IsBatchFirst((GRU)module) ? input.transpose(0, 1) : input, null!);
        return last;
    });

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels) => Widths.SetHidden((GRU)module, outputChannels / Directions(module));

    internal override bool IsExchanged => true;

    internal override nn.Module Resized(nn.Module module, int inputChannels, int outputChannels)
    {
        var like = OwnParameters.Get(module, "weight_hh_l0");
        return nn.GRU(inputChannels, outputChannels / Directions(module), Layers(module), HasBias(module), Widths.IsBatchFirst((GRU)module), DropoutOf(module), Directions(module) == 2, like.device, like.dtype);
    }
}
