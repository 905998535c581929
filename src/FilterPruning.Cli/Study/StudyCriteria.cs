using FilterPruning.Criteria;
using FilterPruning.Recovery;

namespace FilterPruning.Cli.Study;

/// <summary>The criteria of a study by name: those of the command line, and the one that needs what the layers read.</summary>
internal static class StudyCriteria
{
    /// <summary>The name of <see cref="ReconstructionCriterion"/>: the library's best where a repair follows.</summary>
    public const string Gram = "gram";

    public static string List => $"{Gram}|{CriterionNames.List}";

    /// <summary>Makes a criterion.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="seed">Of the random one.</param>
    /// <param name="sample">Gives what the layers of the dense model read.</param>
    /// <exception cref="ArgumentException">There is no such criterion.</exception>
    public static IPruningCriterion Create(string name, int seed, Func<CalibrationSample> sample) =>
        name == Gram ? new ReconstructionCriterion(sample()) : CriterionNames.Create(name, seed);

    /// <summary>The name as it stands in result files.</summary>
    /// <exception cref="ArgumentException">There is no such criterion.</exception>
    public static string Check(string name)
    {
        if (name == Gram)
            return name;
        try
        {
            return CriterionNames.Create(name, 0).Name;
        }
        catch (ArgumentException error)
        {
            throw new ArgumentException($"{error.Message} In a study also: {Gram}.", error);
        }
    }
}
