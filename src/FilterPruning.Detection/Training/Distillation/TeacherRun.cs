namespace FilterPruning.Detection.Training;

/// <summary>While it lives, a model is in evaluation mode and no gradients are recorded; then every module gets its mode back.</summary>
internal sealed class TeacherRun : IDisposable
{
    private readonly List<(nn.Module Module, bool Training)> _flags;
    private readonly IDisposable _noGrad;

    public TeacherRun(nn.Module model)
    {
        // Parents before children, since train() goes down.
        _flags = [(model, model.training), .. model.named_modules().OrderBy(entry => entry.name.Count(c => c == '.')).Select(entry => (entry.module, entry.module.training))];
        if (_flags.Any(flag => flag.Training))
            model.eval();
        _noGrad = no_grad();
    }

    public void Dispose()
    {
        _noGrad.Dispose();
        if (_flags.Any(flag => flag.Training))
        {
            foreach ((nn.Module module, bool training) in _flags)
                module.train(training);
        }
    }
}
