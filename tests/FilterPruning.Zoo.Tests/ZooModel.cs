namespace FilterPruning.Zoo;

/// <summary>A model of the zoo: how it is made, how it is run, and what another library makes of it.</summary>
/// <param name="Name">Its name in tables and test results.</param>
/// <param name="Create">Makes a fresh instance with random weights; every instance has the same architecture.</param>
/// <param name="Forward">Runs it on fixed inputs of its own choice and returns everything it answers.</param>
public sealed record ZooModel(string Name, Func<nn.Module> Create, Func<nn.Module, object?> Forward)
{
    /// <summary>A scalar that can be trained on, from a forward in training mode; null to use the mean square of everything that <see cref="Forward"/> returns.</summary>
    public Func<nn.Module, Tensor>? Loss { get; init; }

    /// <summary>Parameters in millions before and after L1, local, 0.5, as another library counts them; null where there is no such figure.</summary>
    public (double Before, double After)? ReferenceMillions { get; init; }

    /// <summary>Layers that must keep some channels although nothing outside asks for it: name and a word that the explanation must hold.</summary>
    public IReadOnlyList<(string Layer, string Reason)> Stays { get; init; } = [];

    /// <summary>Whether the number of answers follows from their values, as with a detector's boxes: their first dimension may differ once weights are gone.</summary>
    public bool CountsVary { get; init; }

    /// <summary>A model that takes one float32 tensor, filled with seeded normal noise.</summary>
    public static ZooModel Of(string name, Func<nn.Module<Tensor, Tensor>> create, params long[] inputShape) =>
        new(name, create, model =>
        {
            using var generator = new Generator(1, CPU);
            return ((nn.Module<Tensor, Tensor>)model).call(randn(inputShape, dtype: float32, generator: generator));
        });

    /// <inheritdoc/>
    public override string ToString() => Name;
}
