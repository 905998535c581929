using System.IO.Enumeration;
using System.Reflection;

namespace FilterPruning.Zoo;

/// <summary>Every model of the zoo: the public static properties of type <see cref="ZooModel"/> of all classes that end in <c>Zoo</c>, in the order of their names.</summary>
public static class ZooCatalogue
{
    /// <summary>All models by name.</summary>
    public static IReadOnlyDictionary<string, ZooModel> All { get; } = new SortedDictionary<string, ZooModel>(
        typeof(ZooCatalogue).Assembly.GetTypes().Where(type => type.IsClass && type.Name.EndsWith("Zoo", StringComparison.Ordinal))
            .SelectMany(type => type.GetProperties(BindingFlags.Public | BindingFlags.Static)).Where(property => property.PropertyType == typeof(ZooModel))
            .Select(property => (ZooModel)property.GetValue(null)!).ToDictionary(model => model.Name), StringComparer.Ordinal);

    /// <summary>Names, as xunit theory data: all, or those that match a comma-separated list of patterns with <c>*</c> in the environment variable <c>FILTERPRUNING_ZOO_ONLY</c>.</summary>
    public static TheoryData<string> Names => [.. All.Keys.Where(IsWanted)];

    private static bool IsWanted(string name) =>
        Environment.GetEnvironmentVariable("FILTERPRUNING_ZOO_ONLY") is not { Length: > 0 } patterns
        || patterns.Split(',').Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, name));
}
