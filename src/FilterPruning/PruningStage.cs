namespace FilterPruning;

/// <summary>What a pruning call is doing.</summary>
public enum PruningStage
{
    /// <summary>Running the model to find which channels go together.</summary>
    Trace,

    /// <summary>Scoring filters and choosing what goes.</summary>
    Plan,

    /// <summary>Recording what the masked model answers, then shrinking the tensors.</summary>
    Cut,

    /// <summary>Comparing the pruned model with its masked self.</summary>
    Prove,

    /// <summary>Tracing the pruned model again; only with <see cref="Planning.PruningOptions.VerifyTrace"/>.</summary>
    Verify,

    /// <summary>The model is pruned; measuring it. Cancelling has no effect from here on.</summary>
    Report,
}
