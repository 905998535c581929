namespace FilterPruning.Proof;

/// <summary>
/// While it lives, the model is in evaluation mode and no gradients are recorded; afterwards training flags and the random state of the CPU are as
/// they were. (The random state of other devices cannot be read back.) Nothing else may run the model meanwhile.
/// </summary>
internal sealed class QuietRun : IDisposable
{
    private readonly nn.Module _model;
    private readonly IReadOnlyList<(nn.Module Module, bool Training)> _flags;
    private readonly Tensor _random;
    private readonly IDisposable _noGrad;
    private readonly IDisposable _alone;

    /// <exception cref="InvalidOperationException">The model runs, or is changed, on another thread.</exception>
    public QuietRun(nn.Module model, string what = "a run in evaluation mode")
    {
        _alone = ModelUse.Change(model, what);
        _model = model;
        // Parents first: train() goes down into the children.
        _flags = [(model, model.training), .. model.named_modules().OrderBy(entry => entry.name.Count(c => c == '.')).Select(entry => (entry.module, entry.module.training))];
        _random = get_rng_state().DetachFromDisposeScope();
        _noGrad = no_grad();
        model.eval();
    }

    public void Dispose()
    {
        var all = _flags[0].Training;
        _model.train(all);
        if (_flags.Any(flag => flag.Training != all))
        {
            foreach (var (module, training) in _flags)
                module.train(training);
        }

        _noGrad.Dispose();
        set_rng_state(_random);
        _random.Dispose();
        _alone.Dispose();
    }
}
