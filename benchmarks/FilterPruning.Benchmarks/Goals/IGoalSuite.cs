namespace FilterPruning.Benchmarks.Goals;

/// <summary>The goals of one area. Every class that implements this and has a constructor without parameters is found and run.</summary>
internal interface IGoalSuite
{
    /// <summary>What the command line calls the suite; its figures in the summary carry it.</summary>
    string Name { get; }

    /// <summary>Measures, and gives each figure as it is ready. Leaves libtorch's number of threads and its random state as they were.</summary>
    IEnumerable<GoalFigure> Measure(GoalContext context);
}
