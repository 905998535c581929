using FilterPruning.Layers;

namespace FilterPruning.Tracing;

/// <summary>
/// Makes ports: leaves filled with normal values, wide and mostly positive, so that ReLUs stay open and scores pass their thresholds. Trials
/// differ in scale, because what one leaves dark another lights: the first finds detections; the second keeps open every ReLU over a map of one pixel, and every gate.
/// </summary>
internal class PortValues(Generator generator, double mean, double deviation)
{
    /// <summary>From this many elements on, a port with many rows is a few rows repeated, and a probe's random weights are one row repeated.</summary>
    public const long LargeTensor = 1 << 21;

    private const long DistinctRows = 8;

    private static readonly (double Mean, double Deviation)[] _scales = [(1.5, 3), (1, 0.25), (0, 3), (0, 0.3), (4, 9)];

    /// <summary>How many different scales there are.</summary>
    public static int Scales => _scales.Length;

    /// <summary>Mean and standard deviation of the values at a scale.</summary>
    public static (double Mean, double Deviation) ScaleOf(int scale) => _scales[scale % _scales.Length];

    public static PortValues ForTrial(int trial, Generator generator)
    {
        var (mean, deviation) = _scales[trial % _scales.Length];
        return new PortValues(generator, mean, deviation);
    }

    /// <summary>A leaf for a layer's output, outside all dispose scopes, and what the model gets in the output's place.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="output">The layer's output: gives shape, dtype and device.</param>
    /// <param name="port">Where its channels lie.</param>
    /// <remarks>Every row of what is handed on comes from the leaf, so that none is unwatched. A hundred masks need no hundred different rows of evidence, though.</remarks>
    public virtual (Tensor Leaf, Tensor Handed) Make(LayerNode layer, Tensor output, TensorPort port)
    {
        var shape = output.shape;
        var repeats = port.Axis > 0 && output.numel() >= LargeTensor && shape[0] > DistinctRows;
        var leaf = Like(output, repeats ? [DistinctRows, .. shape[1..]] : shape).DetachFromDisposeScope();
        leaf.requires_grad = true;
        // Never the leaf itself: in-place code on a leaf throws.
        if (!repeats) return (leaf, leaf.clone());
        var times = Enumerable.Repeat(1L, shape.Length).ToArray();
        times[0] = (shape[0] + DistinctRows - 1) / DistinctRows;
        return (leaf, leaf.repeat(times).narrow(0, 0, shape[0]));
    }

    /// <summary>Fresh values of a shape, with the dtype and device of an output.</summary>
    public Tensor Like(Tensor output, long[] shape)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var values = randn(shape, dtype: float32, generator: generator).mul_(deviation).add_(mean);
        return values.to(output.dtype).to(output.device).MoveToOuterDisposeScope();
    }
}
