using System.Diagnostics;
using FilterPruning.Graph;

namespace FilterPruning.Zoo;

/// <summary>A seeded instance of a model of the zoo with its graph. Tracing it left it as it was.</summary>
internal sealed class ZooSubject : IDisposable
{
    private readonly ZooModel _zoo;
    private readonly long _size;
    private long _forwards;

    /// <summary>Makes an instance, gives it gradients, and traces it in training mode.</summary>
    public ZooSubject(ZooModel zoo)
    {
        _zoo = zoo;
        Model = Create(zoo);
        _size = Size(Model);
        using var scope = NewDisposeScope();
        Step("train before the cut", () => TrainingCheck.Backward(zoo, Model));
        var perForward = LeftByAForward();
        var before = ModelValues.Of(Model);
        var random = get_rng_state();
        var live = LiveTensors.Settled();
        _forwards = 0;
        var watch = Stopwatch.StartNew();
        Step("trace", () => Graph = DependencyGraph.Trace(Model, Forward));
        TraceTime = watch.Elapsed;
        Step("trace: tensors left behind", () => ZooFailureException.Unless(
            Tensor.TotalCount <= live + (_forwards * perForward), $"{Tensor.TotalCount - live} tensors more than before"));
        Step("trace: model as found", () =>
        {
            before.ThrowUnlessSame(Model);
            before.ThrowUnlessSameSurroundings(Model);
            ZooFailureException.Unless(ModelValues.SameBits(random, get_rng_state()), "the random state is another");
        });
        foreach (var (_, parameter) in ModelValues.Parameters(Model)) parameter.grad = null;
        Model.eval();
    }

    public nn.Module Model { get; }

    public DependencyGraph Graph { get; private set; } = null!;

    public TimeSpan TraceTime { get; }

    /// <summary>Lets every forward of the graph throw, after it ran, while the model has lost anything.</summary>
    public bool FailsWhenNarrow { get; set; }

    /// <summary>An instance with weights from the zoo's seed.</summary>
    public static nn.Module Create(ZooModel zoo)
    {
        manual_seed(ZooCheck.Seed);
        return zoo.Create();
    }

    public object? Forward(nn.Module model)
    {
        _forwards++;
        var result = _zoo.Forward(model);
        return FailsWhenNarrow && Size(model) != _size ? throw new InvalidOperationException("asked to fail") : result;
    }

    private static long Size(nn.Module model) => model.state_dict().Values.Sum(tensor => tensor.numel());

    public void Dispose() => Model.Dispose();

    // TorchSharp 0.107 counts a tensor for ever when MultiheadAttention is asked for no weights: one without a native side.
    private long LeftByAForward()
    {
        using var scope = NewDisposeScope();
        Model.eval();
        var live = LiveTensors.Settled();
        using (NewDisposeScope()) Forward(Model);
        Model.train();
        return Tensor.TotalCount - live;
    }

    private void Step(string step, Action body) => ZooCheck.Step($"{_zoo.Name}: {step}", body);
}
