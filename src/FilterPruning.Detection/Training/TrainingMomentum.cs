using TorchSharp.Modules;

namespace FilterPruning.Detection.Training;

/// <summary>
/// The momenta of a model's parameters, kept from one training to the next. Give it to <see cref="DetectionTrainer.Momentum"/> or <see cref="FineTuner.Momentum"/>, and to
/// <see cref="Planning.PruningOptions.Optimizers"/>: a cut then narrows each momentum with its parameter, and a training after it goes on where the one before it ended.
/// </summary>
/// <remarks>
/// It takes no steps; the trainer does. Make it after the model was moved to its device and type. Not thread-safe; owns its tensors.
/// </remarks>
public sealed class TrainingMomentum : OptimizerHelper
{
    private readonly Dictionary<Parameter, State> _byParameter = new(ReferenceEqualityComparer.Instance);

    /// <summary>Begins with zeros for every parameter of a model.</summary>
    /// <param name="model">The model that is trained and cut; its parameters must stay the same objects.</param>
    public TrainingMomentum(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        _defaults = new OptimizerOptions { LearningRate = 0 };
        _parameter_groups = [];
        add_param_group(new ParamGroup { Parameters = [.. model.parameters()], Options = new OptimizerOptions { LearningRate = 0, InitialLearningRate = 0 } });
    }

    /// <summary>Always throws: the trainer takes the steps.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override Tensor step(Func<Tensor>? closure = null) =>
        throw new NotSupportedException($"{nameof(TrainingMomentum)} only keeps momenta. Train with {nameof(DetectionTrainer)} or {nameof(FineTuner)}.");

    /// <summary>Adds parameters, with momenta of zero.</summary>
    public override void add_param_group(ParamGroup param_group)
    {
        ArgumentNullException.ThrowIfNull(param_group);
        using var noGrad = no_grad();
        _parameter_groups.Add(param_group);
        foreach (Parameter parameter in param_group.Parameters)
        {
            var state = new State(parameter);
            _state[parameter.Handle] = state;
            _byParameter[parameter] = state;
        }
    }

    /// <summary>A parameter's momentum; owned by this object.</summary>
    /// <exception cref="ArgumentException">The parameter is not of the model, or has another shape than its momentum.</exception>
    internal Tensor Of(string name, Parameter parameter)
    {
        if (!_byParameter.TryGetValue(parameter, out State? state))
            throw new ArgumentException($"The momenta are not of this model: they have none for '{name}'. Make a {nameof(TrainingMomentum)} of the model that is trained.");
        if (!state.Momentum.shape.SequenceEqual(parameter.shape))
        {
            throw new ArgumentException(
                $"The momentum of '{name}' is [{string.Join(", ", state.Momentum.shape)}], the parameter [{string.Join(", ", parameter.shape)}]: the model was cut without its momenta. "
                + $"Name them in {nameof(Planning.PruningOptions)}.{nameof(Planning.PruningOptions.Optimizers)} for the cut.");
        }

        return state.Momentum;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (State state in _byParameter.Values)
                state.Momentum.Dispose();
            _byParameter.Clear();
        }

        base.Dispose(disposing);
    }

    private sealed class State(Parameter parameter) : OptimizerState(parameter)
    {
        public readonly Tensor Momentum = zeros_like(parameter).DetachFromDisposeScope();

        public override bool ApproximatelyEquals(OptimizerState other) => other is State state && Momentum.allclose(state.Momentum);

        public override void Initialize(OptimizerOptions options)
        {
        }

        public override void LoadStateDict(BinaryReader reader) => Momentum.Load(reader);

        public override void LoadStateDict(OptimizerState source)
        {
            using var noGrad = no_grad();
            Momentum.copy_(((State)source).Momentum);
        }

        public override void SaveStateDict(BinaryWriter writer) => Momentum.Save(writer);

        public override void to(Device device)
        {
        }
    }
}
