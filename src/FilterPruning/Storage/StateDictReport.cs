namespace FilterPruning.Storage;

/// <summary>What <see cref="StateDictLoader"/> did.</summary>
public sealed record StateDictReport
{
    /// <summary>The module's tensors that were filled, in the order of the module.</summary>
    public required IReadOnlyList<string> Loaded { get; init; }

    /// <summary>The module's tensors that the source lacks; they kept their values. Under <see cref="StateDictOptions.Strict"/> only <c>num_batches_tracked</c> counters.</summary>
    public required IReadOnlyList<string> Missing { get; init; }

    /// <summary>The source's tensors that the module lacks, under their name in the module. Under <see cref="StateDictOptions.Strict"/> only <c>num_batches_tracked</c> counters.</summary>
    public required IReadOnlyList<string> Unexpected { get; init; }

    /// <summary>The source's tensors that were set aside: outside <see cref="Prefix"/>, or renamed to null. Names as in the source.</summary>
    public required IReadOnlyList<string> Ignored { get; init; }

    /// <summary>The beginning that was cut from the names of the source; empty where none was.</summary>
    public required string Prefix { get; init; }

    /// <summary>Other entries of the checkpoint that hold weights for this module, such as <c>model_ema</c> beside <c>model</c>; <see cref="StateDictOptions.Container"/> chooses one.</summary>
    public IReadOnlyList<string> Alternatives { get; init; } = [];
}
