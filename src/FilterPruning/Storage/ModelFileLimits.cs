namespace FilterPruning.Storage;

/// <summary>What <see cref="ModelFile"/> takes at most from a file, for each of the formats.</summary>
public sealed record ModelFileLimits
{
    /// <summary>For safetensors files.</summary>
    public SafetensorsLimits Safetensors { get; init; } = new();

    /// <summary>For <c>.pth</c> files.</summary>
    public PthLimits Pth { get; init; } = new();
}
