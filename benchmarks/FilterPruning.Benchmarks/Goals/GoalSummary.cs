using System.Text.Json;
using System.Text.Json.Serialization;

namespace FilterPruning.Benchmarks.Goals;

/// <summary>The committed list of all figures: <c>benchmarks/results/summary.json</c>. A run of one suite replaces that suite's entries and no others.</summary>
internal static class GoalSummary
{
    private static readonly JsonSerializerOptions Format = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,  // the file is read by people and by JSON parsers, never by a browser
    };

    /// <summary>The entries of the file; none when there is no file.</summary>
    /// <exception cref="PruningException">The file is not a summary.</exception>
    public static IReadOnlyList<GoalEntry> Read(string path)
    {
        if (!File.Exists(path))
            return [];
        try
        {
            return JsonSerializer.Deserialize<GoalEntry[]>(File.ReadAllText(path), Format) ?? [];
        }
        catch (JsonException exception)
        {
            throw new PruningException($"'{path}' is not a summary of goals: {exception.Message} Repair it, or delete it and measure all suites again.", exception);
        }
    }

    /// <summary>The old entries with those of the measured suites replaced, ordered by suite; within a suite as it gave them.</summary>
    public static IReadOnlyList<GoalEntry> Merge(IReadOnlyList<GoalEntry> old, IReadOnlyCollection<string> measured, IReadOnlyList<GoalEntry> entries) =>
        [.. old.Where(entry => !measured.Contains(entry.Suite)).Concat(entries).OrderBy(entry => entry.Suite, StringComparer.Ordinal)];

    /// <summary>Writes beside the file and renames, so that a reader finds the old list or the new one.</summary>
    public static void Write(string path, IReadOnlyList<GoalEntry> entries)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var beside = path + ".torn";
        File.WriteAllText(beside, JsonSerializer.Serialize(entries, WithoutNulls) + "\n");
        File.Move(beside, path, overwrite: true);
    }

    // A value that is no number stays, as null: the five fields are always there.
    private static readonly JsonSerializerOptions WithoutNulls = new(Format)
    {
        TypeInfoResolver = new System.Text.Json.Serialization.Metadata.DefaultJsonTypeInfoResolver
        {
            Modifiers =
            {
                info =>
                {
                    foreach (var property in info.Properties.Where(property => property.Name != "value" && property.PropertyType != typeof(double) && property.PropertyType != typeof(bool)))
                        property.ShouldSerialize = (_, value) => value is not null;
                },
            },
        },
    };
}
