namespace FilterPruning.Zoo;

/// <summary>The simplest model there is, to begin with.</summary>
public static class PlainZoo
{
    /// <summary>Two convolutions with an activation between them.</summary>
    public static ZooModel Chain { get; } = ZooModel.Of("chain", () => nn.Sequential(("first", nn.Conv2d(3, 8, 3)), ("relu", nn.ReLU()), ("second", nn.Conv2d(8, 4, 3))), 1, 3, 12, 12);
}
