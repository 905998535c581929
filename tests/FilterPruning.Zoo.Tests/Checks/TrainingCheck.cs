namespace FilterPruning.Zoo;

/// <summary>A model can be trained: forward in training mode, backward, a step of SGD with momentum.</summary>
internal static class TrainingCheck
{
    // Small enough not to blow up a random model, large enough to move a float32 weight.
    private const double LearningRate = 1e-3;

    /// <summary>Leaves gradients in the parameters.</summary>
    public static void Backward(ZooModel zoo, nn.Module model)
    {
        using var scope = NewDisposeScope();
        model.train();
        manual_seed(ZooCheck.Seed);
        var loss = zoo.Loss is { } given ? given(model) : MeanSquare(zoo.Forward(model));
        ZooFailureException.Unless(loss.numel() == 1 && double.IsFinite(loss.to(float64).item<double>()), "the loss is no finite number");
        loss.backward();
        var gradients = ModelValues.Parameters(model).Where(pair => pair.Parameter.grad is not null).ToList();
        ZooFailureException.Unless(gradients.Count > 0, "no parameter got a gradient");
        foreach (var (name, parameter) in gradients)
        {
            var gradient = parameter.grad!;
            ZooFailureException.Unless(gradient.shape.SequenceEqual(parameter.shape), $"the gradient of '{name}' is [{string.Join(", ", gradient.shape)}], the parameter [{string.Join(", ", parameter.shape)}]");
            ZooFailureException.Unless(gradient.isfinite().all().item<bool>(), $"the gradient of '{name}' is not finite");
        }
    }

    /// <summary>SGD with momentum over everything that is trained.</summary>
    public static optim.Optimizer Optimizer(nn.Module model) =>
        optim.SGD(Trained(model).Select(pair => pair.Parameter).DistinctBy(ModelValues.Address), LearningRate, momentum: 0.9);

    /// <summary>Takes one step; the weights change.</summary>
    public static void Step(ZooModel zoo, nn.Module model, optim.Optimizer optimizer)
    {
        using var scope = NewDisposeScope();
        var trained = Trained(model);
        var before = trained.Select(pair => pair.Parameter.detach().clone()).ToList();
        optimizer.zero_grad();
        Backward(zoo, model);
        optimizer.step();
        ZooFailureException.Unless(trained.Zip(before).Any(pair => !ModelValues.SameBits(pair.First.Parameter, pair.Second)), "no parameter changed");
        foreach (var (name, parameter) in trained)
            ZooFailureException.Unless(parameter.isfinite().all().item<bool>(), $"'{name}' is not finite after the step");
    }

    private static List<(string Name, TorchSharp.Modules.Parameter Parameter)> Trained(nn.Module model) => [.. ModelValues.Parameters(model).Where(pair => pair.Parameter.requires_grad)];

    private static Tensor MeanSquare(object? returned)
    {
        var trained = Answers.In(returned).Select(answer => answer.Tensor).Where(tensor => tensor.is_floating_point() && tensor.requires_grad && tensor.numel() > 0).ToList();
        ZooFailureException.Unless(trained.Count > 0, "nothing that it returns in training mode depends on a parameter");
        return trained.Select(tensor => tensor.pow(2).mean()).Aggregate((a, b) => a + b);
    }
}
