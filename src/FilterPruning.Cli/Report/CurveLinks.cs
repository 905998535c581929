using System.Text;

namespace FilterPruning.Cli.Report;

/// <summary>The pictures of a data set, as Markdown links to the folder <c>results</c> beside the document.</summary>
internal static class CurveLinks
{
    public static string Build(StudyContext context)
    {
        var text = new StringBuilder();
        foreach (var dataset in context.Groups.Where(group => group.IsMeasured).GroupBy(group => group.Key.Dataset))
        {
            foreach (var metric in CurveMetric.All.Where(metric => dataset.Any(group => group.Of(metric.Figure) is not null)))
                text.Append(text.Length > 0 ? "\n" : "").Append($"![{dataset.Key}: {metric.Label} over filters removed, parameters, MACs and latency](results/{dataset.Key}-{metric.FileName}.png)\n");
        }

        return text.Length > 0 ? text.ToString() : StudyTables.NotYet;
    }
}
