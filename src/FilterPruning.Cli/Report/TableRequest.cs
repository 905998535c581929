namespace FilterPruning.Cli.Report;

/// <summary>
/// Which table is wanted, of which points: a kind and filters, as in <c>accuracy dataset=pennfudan scope=local,allocated ratio=0.4</c>. A filter names
/// a part of the key and the values that pass, with <c>null</c> for none. The word <c>study</c> adds the study's own row.
/// </summary>
internal sealed record TableRequest(string Text, string Kind, IReadOnlyList<KeyValuePair<string, string[]>> Filters, bool WithStudy)
{
    private static readonly Dictionary<string, Func<ResultPoint, string>> Parts = new(StringComparer.Ordinal)
    {
        ["dataset"] = point => point.Key.Dataset,
        ["model"] = point => point.Key.Model,
        ["checkpoint"] = point => point.Key.Checkpoint,
        ["criterion"] = point => point.Key.Criterion,
        ["scope"] = point => point.Key.Scope,
        ["layers"] = point => point.Key.Layers,
        ["ratio"] = point => point.Key.Ratio is { } ratio ? Figures.Text(ratio, "0.######") : "null",
        ["target"] = point => point.Key.Target ?? "null",
        ["repair"] = point => point.Key.Repair,
        ["images"] = point => point.Key.Images is { } images ? Figures.Text(images, "0") : "null",
        ["fineTuned"] = point => point.Key.FineTuned ? "true" : "false",
        ["seed"] = point => Figures.Text(point.Key.Seed, "0"),
        ["evalImages"] = point => point.Key.EvalImages is { } images ? Figures.Text(images, "0") : "null",
        ["variant"] = point => point.Key.Variant ?? "null",
        ["budget"] = point => point.Key.Budget is { } budget ? Figures.Text(budget, "0.######") : "null",
        ["evalSize"] = point => point.Key.EvalSize is { } size ? Figures.Text(size, "0") : "null",
    };

    /// <exception cref="ArgumentException">A word is no filter, or names no part of the key.</exception>
    public static TableRequest Parse(string text)
    {
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0)
            throw new ArgumentException($"A table has no name. Allowed are: {string.Join(", ", StudyTables.Kinds)}.");
        if (!StudyTables.Kinds.Contains(words[0]))
            throw new ArgumentException($"There is no table '{words[0]}'. Allowed are: {string.Join(", ", StudyTables.Kinds)}.");
        var filters = new List<KeyValuePair<string, string[]>>();
        foreach (var word in words.Skip(1).Where(word => word != "study"))
        {
            if (word.Split('=', 2) is not [var part, var values] || !Parts.ContainsKey(part))
                throw new ArgumentException($"'{word}' in the table '{text}' is no filter. Write PART=VALUE,… with one of: {string.Join(", ", Parts.Keys)}.");
            filters.Add(new(part, values.Split(',')));
        }

        return new TableRequest(text, words[0], filters, words.Contains("study"));
    }

    /// <summary>Whether the request says something about a part of the key.</summary>
    public bool Names(string part) => Filters.Any(filter => filter.Key == part);

    /// <summary>Whether a point passes all filters.</summary>
    public bool Wants(ResultPoint point) => Filters.All(filter => filter.Value.Contains(Parts[filter.Key](point)));
}
