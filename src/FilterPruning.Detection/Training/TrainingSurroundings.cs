using System.IO.Enumeration;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Training;

/// <summary>
/// What a training changes around the weights and puts back on disposal: the training flag of each module, which parameters require gradients, and torch's default generator.
/// </summary>
internal sealed class TrainingSurroundings : IDisposable
{
    private readonly (nn.Module Module, bool Training)[] _flags;
    private readonly Tensor _randomState;
    private readonly List<Parameter> _frozen = [];

    /// <summary>Puts the model into training mode and freezes parameters.</summary>
    /// <param name="model">The model.</param>
    /// <param name="frozenPatterns">Patterns of names; see <see cref="TrainingOptions.Frozen"/>.</param>
    public TrainingSurroundings(nn.Module model, IReadOnlyList<string> frozenPatterns)
    {
        (string Name, Parameter Parameter)[] all = [.. model.named_parameters().Select(p => (p.name, p.parameter))];
        string[] idle = [.. frozenPatterns.Where(pattern => !all.Any(p => Matches(pattern, p.Name)))];
        if (idle.Length > 0)
            throw new ArgumentException($"No parameter matches the pattern(s) to freeze: {string.Join(", ", idle)}. Parameters are named like {string.Join(", ", all.Take(3).Select(p => p.Name))}; * stands for any run of characters.");
        Trainable = [.. all.Where(p => p.Parameter.requires_grad && !frozenPatterns.Any(pattern => Matches(pattern, p.Name)))];
        if (Trainable.Count == 0)
            throw new ArgumentException($"None of the model's {all.Length} parameters is left to train: each is frozen or requires no gradient.");

        foreach ((_, Parameter parameter) in all.Where(p => p.Parameter.requires_grad).Except(Trainable))
        {
            parameter.requires_grad = false;
            _frozen.Add(parameter);
        }
        // Parents first: train() goes down into the children.
        _flags = [(model, model.training), .. model.named_modules().OrderBy(entry => entry.name.Count(c => c == '.')).Select(entry => (entry.module, entry.module.training))];
        _randomState = random.get_rng_state().DetachFromDisposeScope();
        model.train();
    }

    /// <summary>The parameters to train, in the model's order.</summary>
    public IReadOnlyList<(string Name, Parameter Parameter)> Trainable { get; }

    /// <summary>Puts everything back.</summary>
    public void Dispose()
    {
        foreach (Parameter parameter in _frozen)
            parameter.requires_grad = true;
        foreach ((nn.Module module, bool training) in _flags)
            module.train(training);
        random.set_rng_state(_randomState);
        _randomState.Dispose();
    }

    private static bool Matches(string pattern, string name) => FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false);
}
