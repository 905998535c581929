namespace FilterPruning.Planning;

/// <summary>A plan's JSON has a version that this library does not read.</summary>
public sealed class PlanVersionException : PruningException
{
    /// <summary>Creates the error.</summary>
    /// <param name="version">The version of the plan.</param>
    /// <param name="message">Both versions, and what to do.</param>
    public PlanVersionException(int version, string message)
        : base(message) => Version = version;

    /// <summary>The version of the plan; <see cref="PruningPlan.CurrentVersion"/> is the one that is read.</summary>
    public int Version { get; }
}
