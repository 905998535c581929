using System.Text;
using System.Text.Json;

namespace FilterPruning.Cli.Report;

/// <summary>All points of one or several results files, one for each key.</summary>
/// <param name="Points">In the order in which their keys first appear.</param>
/// <param name="Notes">What a reader should know: duplicates that were dropped, lines that were cut off, figures that contradict each other.</param>
internal sealed record ResultSet(IReadOnlyList<ResultPoint> Points, IReadOnlyList<string> Notes)
{
    private const double CompressionTolerance = 0.01;

    /// <summary>Reads files of JSON lines. Of two lines with the same key the later counts, in the order of the files given.</summary>
    /// <exception cref="ArgumentException">A line is not a point; the message names file, line and field.</exception>
    public static ResultSet Read(IEnumerable<string> paths)
    {
        var points = new List<ResultPoint>();
        var places = new Dictionary<PointKey, (int Index, string Place)>();
        var notes = new List<string>();
        foreach (var path in paths)
        {
            foreach (var (point, place) in Lines(path, notes))
            {
                if (places.TryGetValue(point.Key, out var earlier))
                {
                    notes.Add($"{place} repeats {earlier.Place} ({point.Key}): the later line counts.");
                    points[earlier.Index] = point;
                    places[point.Key] = (earlier.Index, place);
                    continue;
                }

                places[point.Key] = (points.Count, place);
                points.Add(point);
            }
        }

        return new ResultSet(points, notes);
    }

    private static IEnumerable<(ResultPoint Point, string Place)> Lines(string path, List<string> notes)
    {
        if (!File.Exists(path))
            throw new ArgumentException($"There is no results file '{path}'.");
        ResultsFile.CheckLength(path, new FileInfo(path).Length);
        return Lines(File.ReadAllText(path, Encoding.UTF8), path, notes);
    }

    /// <summary>The points in a text; the path is for messages.</summary>
    internal static IEnumerable<(ResultPoint Point, string Place)> Lines(string text, string path, List<string> notes)
    {
        var lines = text.Split('\n');
        for (var index = 0; index < lines.Length; index++)
        {
            var line = lines[index].Trim();
            if (line.Length == 0)
                continue;
            var place = $"{Path.GetFileName(path)}:{index + 1}";

            // A run that was stopped while it wrote leaves a last line without an end.
            var mayBeCutOff = index == lines.Length - 1;
            if (Parsed(line, path, index + 1, mayBeCutOff) is not { } point)
            {
                notes.Add($"{place} was cut off while it was written: ignored.");
                continue;
            }

            if (point is { RecordedCompression: { } recorded, Compression: { } computed } && Math.Abs(recorded - computed) > CompressionTolerance * computed)
                notes.Add(FormattableString.Invariant($"{place} records compression {recorded:0.###}, but parametersDense / parameters is {computed:0.###}; the latter is shown."));
            yield return (point, place);
        }
    }

    private static ResultPoint? Parsed(string line, string path, int number, bool mayBeCutOff)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new FormatException($"it holds a JSON {document.RootElement.ValueKind}, and must hold one JSON object.");
            return ResultPoint.Parse(document.RootElement);
        }
        catch (JsonException) when (mayBeCutOff)
        {
            return null;
        }
        catch (Exception error) when (error is JsonException or FormatException or InvalidOperationException or ArgumentException)
        {
            throw new ArgumentException($"'{path}', line {number}: {error.Message}", error);
        }
    }
}
