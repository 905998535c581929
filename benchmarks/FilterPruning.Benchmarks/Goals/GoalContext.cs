namespace FilterPruning.Benchmarks.Goals;

/// <summary>What a suite may know about the run it is part of.</summary>
internal sealed class GoalContext
{
    /// <summary>The folder of development data named by <c>FILTERPRUNING_DATA</c>; null without it. A suite that needs it says so and gives no figure.</summary>
    public string? DataFolder { get; init; }

    /// <summary>Fewer rounds and smaller models: to see that everything runs, not for a number to keep.</summary>
    public bool Quick { get; init; }

    /// <summary>Takes one line of progress.</summary>
    public Action<string> Say { get; init; } = _ => { };
}
