using TorchSharp.Modules;

namespace FilterPruning.Detection.Training;

/// <summary>Everything that changes while a model trains: its weights and buffers, the optimizer's momentum, the running average. Owns the last two.</summary>
internal sealed class TrainingState : IDisposable
{
    private readonly nn.Module _model;

    /// <summary>Starts with the given momentum, or with none, and the average at the present weights.</summary>
    public TrainingState(nn.Module model, IReadOnlyList<(string Name, Parameter Parameter)> trainable, TrainingOptions options, TrainingMomentum? momentum)
    {
        _model = model;
        Device = trainable[0].Parameter.device;
        Optimizer = new SgdOptimizer(trainable, options, momentum);
        Average = options.AverageDecay > 0 ? new WeightAverage(ModelTensors(), options.AverageDecay) : null;
    }

    /// <summary>Where the model is.</summary>
    public Device Device { get; }

    /// <summary>What samplers draw from; seeded anew for each iteration, so it is no state to keep.</summary>
    public Generator Generator { get; } = new();

    /// <summary>The optimizer.</summary>
    public SgdOptimizer Optimizer { get; }

    /// <summary>The running average; null where none is kept.</summary>
    public WeightAverage? Average { get; }

    /// <summary>The model's own weights and persistent buffers by name; fetched anew, since a module may exchange a buffer.</summary>
    public IReadOnlyList<(string Name, Tensor Value)> ModelTensors() => TensorsOf(_model);

    /// <summary>A model's weights and persistent buffers by name.</summary>
    public static IReadOnlyList<(string Name, Tensor Value)> TensorsOf(nn.Module model) =>
        [.. model.named_parameters().Select(p => (p.name, (Tensor)p.parameter)), .. model.named_buffers(include_nonpersistent: false).Select(b => (b.name, b.buffer))];

    /// <summary>Disposes momentum and average.</summary>
    public void Dispose()
    {
        Generator.Dispose();
        Optimizer.Dispose();
        Average?.Dispose();
    }
}
