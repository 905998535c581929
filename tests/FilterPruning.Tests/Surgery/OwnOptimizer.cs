using TorchSharp.Modules;

namespace FilterPruning.Tests.Surgery;

/// <summary>An optimizer as a user may write one: the mean of the last three gradients, kept in an array, and a step count as a tensor.</summary>
internal sealed class OwnOptimizer : OptimizerHelper
{
    private readonly object? _extra;

    public OwnOptimizer(params Parameter[][] groups)
        : this(null, groups)
    {
    }

    /// <param name="extra">Something more in each state, to see what becomes of it.</param>
    /// <param name="groups">The parameters.</param>
    public OwnOptimizer(object? extra, params Parameter[][] groups)
    {
        _extra = extra;
        _defaults = new OptimizerOptions { LearningRate = 1e-3 };
        _parameter_groups = [];
        foreach (var group in groups)
            add_param_group(new ParamGroup { Parameters = group, Options = new OptimizerOptions { LearningRate = 1e-3, InitialLearningRate = 1e-3 } });
    }

    public override void add_param_group(ParamGroup param_group)
    {
        _parameter_groups.Add(param_group);
        foreach (var parameter in param_group.Parameters)
            _state[parameter.Handle] = new State(parameter, _extra);
    }

    public override Tensor step(Func<Tensor>? closure = null) => _step<ParamGroup>(group =>
    {
        foreach (var parameter in group.Parameters)
        {
            if (parameter.grad is { } gradient)
                parameter.add_(((State)_state[parameter.Handle]).Mean(gradient), alpha: -group.LearningRate);
        }
    }, closure)!;

    private sealed class State : OptimizerState
    {
        private readonly Tensor _steps = zeros(1).DetachFromDisposeScope();
        private readonly Tensor[] _last;
        private readonly object? _extra;

        public State(Parameter parameter, object? extra)
            : base(parameter)
        {
            _last = [.. Enumerable.Range(0, 3).Select(_ => zeros_like(parameter).DetachFromDisposeScope())];
            _extra = extra;
        }

        public Tensor Mean(Tensor gradient)
        {
            var place = (int)_steps.item<float>() % 3;
            _steps.add_(1);
            _last[place].Dispose();
            _last[place] = gradient.clone().DetachFromDisposeScope();
            return (_last[0] + _last[1] + _last[2]) / 3;
        }

        public override void Initialize(OptimizerOptions options) => throw new NotSupportedException();

        public override void LoadStateDict(BinaryReader reader) => throw new NotSupportedException();

        public override void LoadStateDict(OptimizerState source) => throw new NotSupportedException();

        public override void SaveStateDict(BinaryWriter writer) => throw new NotSupportedException();
    }
}
