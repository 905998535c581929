namespace FilterPruning.Tracing;

/// <summary>
/// What ports are filled with: normal values, wide and mostly positive, so that ReLUs stay open and scores pass their thresholds. Trials
/// differ in scale, because what one leaves dark (a saturated gate, an empty list of detections) another lights.
/// </summary>
internal sealed class PortValues(Generator generator, double mean, double deviation)
{
    private static readonly (double Mean, double Deviation)[] _scales = [(1.5, 3), (0.5, 1), (0, 3), (0, 0.3), (4, 9)];

    public static PortValues ForTrial(int trial, Generator generator)
    {
        var (mean, deviation) = _scales[trial % _scales.Length];
        return new PortValues(generator, mean, deviation);
    }

    /// <summary>A fresh detached tensor of the same shape, dtype and device.</summary>
    public Tensor Like(Tensor output)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var values = randn(output.shape, dtype: float32, generator: generator).mul_(deviation).add_(mean);
        return values.to(output.dtype).to(output.device).MoveToOuterDisposeScope();
    }
}
