using BenchmarkDotNet.Reports;

namespace FilterPruning.Benchmarks;

/// <summary>Copies the tables of BenchmarkDotNet to where they are committed, under names that do not change from run to run.</summary>
internal static class BenchmarkResults
{
    /// <summary>Writes <c>SUITE.md</c> and <c>SUITE.json</c> for each suite that ran.</summary>
    public static void Keep(IEnumerable<Summary> summaries, string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (var summary in summaries.Where(summary => summary.Reports.Length > 0))
        {
            var type = summary.BenchmarksCases[0].Descriptor.Type;
            foreach (var (ending, kept) in new[] { ("-report-github.md", ".md"), ("-report-brief.json", ".json") })
            {
                var made = Path.Combine(summary.ResultsDirectoryPath, type.FullName + ending);
                if (File.Exists(made))
                    File.Copy(made, Path.Combine(folder, type.Name + kept), overwrite: true);
            }
        }
    }
}
