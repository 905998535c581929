namespace FilterPruning.Recovery;

/// <summary>Puts every module into evaluation mode and gives each its own training flag back when disposed.</summary>
internal sealed class EvaluationMode : IDisposable
{
    private readonly List<nn.Module> _training;

    public EvaluationMode(nn.Module model)
    {
        _training = [.. model.modules().Where(module => module.training)];
        if (model.training)
            _training.Add(model);
        model.eval();
    }

    public void Dispose()
    {
        // train() works on whole subtrees: first all on from the outside in, then the ones that were off stay off by their own call.
        foreach (var module in _training)
            module.train(true);
    }
}
