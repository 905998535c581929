namespace FilterPruning.Criteria;

/// <summary>Ready-made <see cref="ICalibrationBatches"/>.</summary>
public static class CalibrationBatches
{
    /// <summary>Batches without labels, for criteria that look at activations.</summary>
    /// <param name="model">The model that is traced and scored.</param>
    /// <param name="inputs">One input for each batch; read once, here. The tensors stay the caller's and must live as long as the criterion is used.</param>
    /// <param name="cancellationToken">Asks for an early end; looked at before each batch.</param>
    public static ICalibrationBatches Inputs(nn.Module<Tensor, Tensor> model, IEnumerable<Tensor> inputs, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(inputs);
        Tensor[] all = [.. inputs];
        return From(all.Length, index => model.call(all[index]), cancellationToken);
    }

    /// <summary>Batches with targets and a loss, for every criterion.</summary>
    /// <param name="model">The model that is traced and scored.</param>
    /// <param name="batches">Input and target of each batch; read once, here. The tensors stay the caller's and must live as long as the criterion is used.</param>
    /// <param name="loss">The loss from the model's answer and the target: one number. A loss module's <c>call</c> fits.</param>
    /// <param name="cancellationToken">Asks for an early end; looked at before each batch.</param>
    public static ICalibrationBatches WithLoss(
        nn.Module<Tensor, Tensor> model, IEnumerable<(Tensor Input, Tensor Target)> batches, Func<Tensor, Tensor, Tensor> loss, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(batches);
        ArgumentNullException.ThrowIfNull(loss);
        (Tensor Input, Tensor Target)[] all = [.. batches];
        return From(all.Length, index => loss(model.call(all[index].Input), all[index].Target), cancellationToken);
    }

    /// <summary>Batches from a function: for models that take more than one tensor, and for data that is read when it is needed.</summary>
    /// <param name="count">The number of batches, at least 1.</param>
    /// <param name="run">Runs the model on the batch of an index; see <see cref="ICalibrationBatches.Run"/>.</param>
    /// <param name="cancellationToken">Asks for an early end; looked at before each batch.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no batch.</exception>
    public static ICalibrationBatches From(int count, Func<int, Tensor?> run, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (count < 1)
            throw new ArgumentOutOfRangeException(nameof(count), count, "A data-driven criterion needs at least one batch.");
        return new Function(count, run, cancellationToken);
    }

    private sealed class Function(int count, Func<int, Tensor?> run, CancellationToken cancellationToken) : ICalibrationBatches
    {
        public int Count => count;

        public Tensor? Run(int index)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return run(index);
        }
    }
}
