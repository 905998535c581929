namespace FilterPruning.Fuzz.Engine;

/// <summary>Tells whether a run of the reader went a way that no run before it did.</summary>
internal interface ICoverage
{
    /// <summary>The number of different steps (a branch after a branch) seen so far.</summary>
    int Edges { get; }

    /// <summary>Forgets what the last run did.</summary>
    void Begin();

    /// <summary>Whether the run since <see cref="Begin"/> took a new step, or one in a new order of magnitude of times.</summary>
    bool End();

    /// <summary>The steps of the run since <see cref="Begin"/>.</summary>
    IReadOnlyList<int> Steps();
}
