using TorchSharp.Modules;

namespace FilterPruning.Detection.Training;

/// <summary>
/// Stochastic gradient descent with momentum, as <c>torch.optim.SGD</c> computes it (no dampening). Its state is one momentum tensor per parameter under the parameter's name, so that a
/// checkpoint can hold it beside the weights; TorchSharp's own optimizer keys its state by native handles and keeps it in a format of its own.
/// </summary>
internal sealed class SgdOptimizer : IDisposable
{
    private readonly TrainingOptions _options;
    private readonly Parameter[] _parameters;
    private readonly double[] _decays;
    private readonly bool _ownsMomentum;

    /// <summary>Starts with the given momentum, or with zero, which after the first step equals the gradient as torch's empty state does.</summary>
    /// <param name="parameters">The parameters to change, by name; owned by the model.</param>
    /// <param name="options">Momentum and weight decay.</param>
    /// <param name="momentum">Momenta to go on with, changed in place and not disposed; null for none.</param>
    public SgdOptimizer(IReadOnlyList<(string Name, Parameter Parameter)> parameters, TrainingOptions options, TrainingMomentum? momentum = null)
    {
        _options = options;
        _parameters = [.. parameters.Select(p => p.Parameter)];
        _decays = [.. _parameters.Select(p => options.DecayBiasesAndNorms || p.dim() > 1 ? options.WeightDecay : 0)];
        using var noGrad = no_grad();
        _ownsMomentum = momentum is null;
        Momentum = [.. parameters.Select(p => (p.Name, momentum?.Of(p.Name, p.Parameter) ?? zeros_like(p.Parameter).DetachFromDisposeScope()))];
    }

    /// <summary>The momentum tensors under their parameters' names; owned by this object unless they were given.</summary>
    public IReadOnlyList<(string Name, Tensor Value)> Momentum { get; }

    /// <summary>Scales all gradients to at most the options' norm, and returns the norm they had.</summary>
    public double ClipGradients() =>
        nn.utils.clip_grad_norm_(_parameters, _options.ClipGradientNorm > 0 ? _options.ClipGradientNorm : double.PositiveInfinity);

    /// <summary>One step along the gradients, which are consumed: afterwards every parameter has none. A parameter without a gradient stays as it is, momentum included.</summary>
    public void Step(double learningRate)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        for (int i = 0; i < _parameters.Length; i++)
        {
            Parameter parameter = _parameters[i];
            if (parameter.grad is not { } gradient)
                continue;

            Tensor momentum = Momentum[i].Value;
            if (_decays[i] != 0)
                gradient.add_(parameter, alpha: _decays[i]);
            momentum.mul_(_options.Momentum).add_(gradient);
            if (_options.Nesterov)
                parameter.add_(gradient.add_(momentum, alpha: _options.Momentum), alpha: -learningRate);
            else
                parameter.add_(momentum, alpha: -learningRate);
            // None instead of zero: whether a parameter took part in an iteration must not depend on the iterations before it, or a resumed run would differ.
            parameter.grad = null;
        }
    }

    /// <summary>Drops the gradients without a step.</summary>
    public void DropGradients()
    {
        foreach (Parameter parameter in _parameters)
            parameter.grad = null;
    }

    /// <summary>Disposes its own momentum, not the parameters.</summary>
    public void Dispose()
    {
        if (!_ownsMomentum)
            return;
        foreach ((_, Tensor value) in Momentum)
            value.Dispose();
    }
}
