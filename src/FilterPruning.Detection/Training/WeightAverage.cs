namespace FilterPruning.Detection.Training;

/// <summary>
/// An exponential running average of a model's floating-point weights and buffers. The norms' running statistics are averaged with the weights, since they belong to them.
/// </summary>
internal sealed class WeightAverage : IDisposable
{
    private readonly double _decay;
    private readonly IReadOnlyList<(string Name, Tensor Value)> _source;

    /// <summary>Starts the average at the source's present values.</summary>
    /// <param name="source">The model's state by name; owned by the model.</param>
    /// <param name="decay">0 … below 1.</param>
    public WeightAverage(IReadOnlyList<(string Name, Tensor Value)> source, double decay)
    {
        _decay = decay;
        _source = [.. source.Where(s => s.Value.is_floating_point())];
        using var noGrad = no_grad();
        Values = [.. _source.Select(s => (s.Name, s.Value.detach().clone().DetachFromDisposeScope()))];
    }

    /// <summary>The averages by name; owned by this object.</summary>
    public IReadOnlyList<(string Name, Tensor Value)> Values { get; }

    /// <summary>Takes the source's present values in.</summary>
    /// <param name="iteration">Iterations done before this one; the average of a young run forgets faster.</param>
    public void Update(int iteration)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        double decay = Math.Min(_decay, (1.0 + iteration) / (10.0 + iteration));
        // Written as a step towards the source, so that what does not change stays exactly as it is.
        for (int i = 0; i < Values.Count; i++)
            Values[i].Value.add_(_source[i].Value - Values[i].Value, alpha: 1 - decay);
    }

    /// <summary>Exchanges the model's values and the averages; a second call undoes the first.</summary>
    public void Swap()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        for (int i = 0; i < Values.Count; i++)
        {
            Tensor current = _source[i].Value.detach().clone();
            _source[i].Value.copy_(Values[i].Value);
            Values[i].Value.copy_(current);
        }
    }

    /// <summary>Disposes the averages.</summary>
    public void Dispose()
    {
        foreach ((_, Tensor value) in Values)
            value.Dispose();
    }
}
