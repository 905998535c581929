namespace FilterPruning.Recovery;

/// <summary>A symmetric system, factored once.</summary>
/// <remarks>
/// Cholesky where it is safely positive, otherwise the least-norm solution over its eigenvectors: channels that repeat each other exactly leave it singular, and every solution is then as
/// good as the shortest.
/// </remarks>
internal sealed class RidgeSystem : IDisposable
{
    private readonly Tensor? _factor;
    private readonly Tensor? _vectors;
    private readonly Tensor? _inverse;

    public RidgeSystem(Tensor system)
    {
        using var scope = NewDisposeScope();
        var (factor, info) = linalg.cholesky_ex(system);
        var pivots = factor.diagonal();
        if (info.item<int>() == 0 && pivots.min().item<double>() > 1e-6 * pivots.max().item<double>())
        {
            _factor = factor.DetachFromDisposeScope();
            return;
        }

        var (values, vectors) = linalg.eigh(system);
        var floor = 1e-12 * values.abs().max().item<double>();
        _inverse = where(values > floor, 1.0 / values.clamp_min(floor), zeros_like(values)).unsqueeze(1).DetachFromDisposeScope();
        _vectors = vectors.DetachFromDisposeScope();
    }

    /// <summary>float64, of the right side's shape; the caller's.</summary>
    public Tensor Solve(Tensor right)
    {
        using var scope = NewDisposeScope();
        var solution = _factor is not null ? cholesky_solve(right, _factor, upper: false) : _vectors!.mm(_inverse! * _vectors.t().mm(right));
        return solution.MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _factor?.Dispose();
        _vectors?.Dispose();
        _inverse?.Dispose();
    }
}
