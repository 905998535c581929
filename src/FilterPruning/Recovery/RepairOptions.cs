namespace FilterPruning.Recovery;

/// <summary>How a pruned model is repaired from unlabelled inputs.</summary>
public sealed record RepairOptions
{
    /// <summary>
    /// Sampled positions per consumer, over all inputs together: rows of the least-squares fit. At least 64. Default 8192, four times the
    /// widest layer of a ResNet-50. Memory grows with rows × the consumers' input widths.
    /// </summary>
    public int Rows { get; init; } = 8192;

    /// <summary>
    /// The ridges tried, relative to the mean energy of a kept channel, each at least 0. The one that predicts held-out rows best is used;
    /// with one value nothing is held out.
    /// </summary>
    public IReadOnlyList<double> Ridges { get; init; } = [1e-10, 1e-4, 1e-3, 1e-2, 1e-1];

    /// <summary>
    /// Whether convolutions and linear layers are fitted a second time, directly to the dense layer's output, on whole k×k patches of the kept channels rather than channel by channel: more
    /// unknowns, drawn towards the first solution as strongly as held-out rows want. Default true.
    /// </summary>
    public bool Patches { get; init; } = true;

    /// <summary>
    /// Whether a layer in front of a residual sum also makes up for what is wrong with the sum's other part, where such a sum was seen, so that errors do not pile up along a stream. Needs
    /// <see cref="Patches"/>. Default true.
    /// </summary>
    public bool ResidualSums { get; init; } = true;

    /// <summary>Whether what a rectifier behind the layer hides counts for nothing, where one was seen. Needs <see cref="Patches"/>. Default true.</summary>
    public bool Rectifiers { get; init; } = true;

    internal IReadOnlyList<double> DirectRidges { get; init; } = [1, 1e-1, 1e-2, 1e-3, 1e-4];

    /// <summary>The seed that positions are drawn with. Default 0.</summary>
    public int Seed { get; init; }

    /// <summary>Told after every fitted layer; may be null.</summary>
    public IProgress<RepairProgress>? Progress { get; init; }

    internal void Validate()
    {
        var violations = new List<string>();
        if (Rows < 64)
            violations.Add($"{nameof(Rows)} is {Rows}; it must be at least 64.");
        if (Ridges.Count == 0 || Ridges.Any(ridge => !(ridge >= 0) || double.IsInfinity(ridge)))
            violations.Add($"{nameof(Ridges)} is [{string.Join(", ", Ridges)}]; it needs at least one finite value ≥ 0.");
        if (violations.Count > 0)
            throw new ArgumentException("The repair options cannot be used: " + string.Join(" ", violations));
    }
}

/// <summary>Progress of a repair.</summary>
/// <param name="Layer">The layer just fitted.</param>
/// <param name="Done">Layers fitted so far.</param>
/// <param name="Total">Layers to fit.</param>
public readonly record struct RepairProgress(string Layer, int Done, int Total);
