using FilterPruning.Storage;

namespace FilterPruning.Cli;

/// <summary>Says which of a checkpoint's weights were taken where there was a choice.</summary>
internal static class CheckpointNote
{
    public static void Tell(string path, StateDictReport? report)
    {
        if (Text(path, report) is { } text)
            Output.Note(text);
    }

    /// <summary>A sentence, or null where there was nothing to choose.</summary>
    public static string? Text(string path, StateDictReport? report)
    {
        if (report is null || report.Prefix.Length == 0)
            return null;
        var taken = report.Prefix.TrimEnd('.');
        return report.Alternatives.Count == 0
            ? $"Took the weights under '{taken}' of '{path}'."
            : $"Took the weights under '{taken}' of '{path}'; there are others under {string.Join(" and ", report.Alternatives.Select(name => $"'{name}'"))}, which --weights-key takes instead.";
    }
}
