namespace FilterPruning.Detection.Models;

/// <summary>torchvision's initial weights, drawn from a generator of our own so that a seed fixes a model.</summary>
internal static class WeightInit
{
    /// <summary>
    /// Runs code that makes modules, and puts the global random state back: TorchSharp's layer constructors draw from it,
    /// and making a model should not change what anything else draws.
    /// </summary>
    public static T KeepingGlobalState<T>(Func<T> make)
    {
        using var state = torch.random.get_rng_state();
        try
        {
            return make();
        }
        finally
        {
            torch.random.set_rng_state(state);
        }
    }

    /// <summary><c>kaiming_normal_(mode="fan_out", nonlinearity="relu")</c>. He et al. 2015, equation 14.</summary>
    public static void KaimingNormalFanOut(Tensor weight, Generator generator)
    {
        // PyTorch counts fan_out from axis 0 for transposed convolutions as well.
        var fanOut = weight.shape[0] * ReceptiveField(weight);
        Normal(weight, Math.Sqrt(2.0 / fanOut), generator);
    }

    /// <summary><c>kaiming_uniform_(a=1)</c>: uniform within ±√(3 / fan_in).</summary>
    public static void KaimingUniformFanIn(Tensor weight, Generator generator) => Uniform(weight, Math.Sqrt(3.0 / FanIn(weight)), generator);

    /// <summary>PyTorch's default for convolutions and linear layers: weight and bias uniform within ±1/√fan_in.</summary>
    public static void Default(Tensor weight, Tensor bias, Generator generator)
    {
        Uniform(weight, 1.0 / Math.Sqrt(FanIn(weight)), generator);
        DefaultBias(weight, bias, generator);
    }

    /// <summary>The bias's part of <see cref="Default"/>.</summary>
    public static void DefaultBias(Tensor weight, Tensor bias, Generator generator) => Uniform(bias, 1.0 / Math.Sqrt(FanIn(weight)), generator);

    /// <summary>Normal with mean 0.</summary>
    public static void Normal(Tensor tensor, double std, Generator generator)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        tensor.normal_(0, std, generator);
    }

    /// <summary>All zeros.</summary>
    public static void Zero(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        tensor.zero_();
    }

    private static void Uniform(Tensor tensor, double bound, Generator generator)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        tensor.uniform_(-bound, bound, generator);
    }

    private static long FanIn(Tensor weight) => weight.shape[1] * ReceptiveField(weight);

    private static long ReceptiveField(Tensor weight) => weight.shape.Skip(2).Aggregate(1L, (product, size) => product * size);
}
