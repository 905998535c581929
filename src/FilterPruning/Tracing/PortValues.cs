using FilterPruning.Layers;

namespace FilterPruning.Tracing;

/// <summary>
/// Makes ports: leaves filled with normal values, wide and mostly positive, so that ReLUs stay open and scores pass their thresholds. Trials
/// differ in scale, because what one leaves dark another lights: the first finds detections; the second keeps open every ReLU over a map of one pixel, and every gate.
/// </summary>
/// <remarks>
/// Hundreds of boxes or masks need no hundreds of different rows of evidence, and each row costs memory and time. A tensor of many rows holds a few lively rows and, in all the others, the
/// same quiet one, so that a detector finds some objects and not the most it may return; a large tensor of fewer rows holds a few rows again and again.
/// </remarks>
internal class PortValues
{
    /// <summary>From this many elements on, a port with several rows is a few rows repeated, and a probe's random weights are one row repeated.</summary>
    public const long LargeTensor = 1 << 21;

    private const long DistinctRows = 8;

    // More rows than a batch, a window or a sequence commonly has.
    private const long ManyRows = 64;

    private const long LivelyRows = 4;

    // The quiet row's part of the deviation: its channels differ, and none stands out.
    private const double Quiet = 0.1;

    private static readonly (double Mean, double Deviation)[] _scales = [(1.5, 3), (1, 0.25), (0, 3), (0, 0.3), (4, 9)];

    private readonly NumberPool _lively;
    private readonly NumberPool _quiet;

    public PortValues(Generator generator, double mean, double deviation)
    {
        _lively = NumberPool.Normal(generator, mean, deviation);
        _quiet = _lively.Calmed(mean, Quiet);
    }

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
    /// <remarks>Every row of what is handed on comes from the leaf, so that none is unwatched.</remarks>
    public virtual (Tensor Leaf, Tensor Handed) Make(LayerNode layer, Tensor output, TensorPort port)
    {
        var leaf = Rows(output, port, (pool, shape) => pool.Next(shape, output)).DetachFromDisposeScope();
        leaf.requires_grad = true;
        return (leaf, HandOn(leaf, output.shape));
    }

    /// <summary>Values in an output's place, the same for the same index.</summary>
    public Tensor At(long index, Tensor output, TensorPort port)
    {
        using var scope = NewDisposeScope();
        return HandOn(Rows(output, port, (pool, shape) => pool.At(index, shape, output)), output.shape).MoveToOuterDisposeScope();
    }

    /// <summary>What the model gets: the leaf's rows, as often as the output has rows. Never the leaf itself: in-place code on a leaf throws.</summary>
    protected static Tensor HandOn(Tensor leaf, long[] shape)
    {
        if (leaf.shape.AsSpan().SequenceEqual(shape)) return leaf.clone();
        if (shape[0] > ManyRows) // [lively + 1, …] → [N, …]
            return cat([leaf.narrow(0, 0, LivelyRows), leaf.narrow(0, LivelyRows, 1).expand([shape[0] - LivelyRows, .. shape[1..]])], 0);
        var times = Enumerable.Repeat(1L, shape.Length).ToArray();
        times[0] = (shape[0] + DistinctRows - 1) / DistinctRows;
        return leaf.repeat(times).narrow(0, 0, shape[0]);
    }

    private Tensor Rows(Tensor output, TensorPort port, Func<NumberPool, long[], Tensor> draw)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var shape = output.shape;
        if (port.Axis > 0 && shape[0] > ManyRows) // [lively + 1, …]
            return cat([draw(_lively, [LivelyRows, .. shape[1..]]), draw(_quiet, [1, .. shape[1..]])], 0).MoveToOuterDisposeScope();
        if (port.Axis > 0 && output.numel() >= LargeTensor && shape[0] > DistinctRows) shape[0] = DistinctRows;
        return draw(_lively, shape).MoveToOuterDisposeScope();
    }
}
