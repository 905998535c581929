using System.Text;
using System.Text.RegularExpressions;

namespace FilterPruning.Planning;

/// <summary>Patterns over layer names: <c>*</c> any run of characters, <c>?</c> one character; a module's name stands for every layer inside it.</summary>
internal sealed class LayerPattern
{
    private readonly Regex _regex;

    public LayerPattern(string text)
    {
        Text = text;
        var regex = new StringBuilder("^");
        foreach (var character in text)
        {
            regex.Append(character switch
            {
                '*' => ".*",
                '?' => ".",
                _ => Regex.Escape(character.ToString()),
            });
        }

        // Without backtracking a pattern of many stars cannot take exponential time.
        _regex = new Regex(regex.Append(@"(\..*)?$").ToString(), RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.Singleline);
    }

    public string Text { get; }

    public bool Matches(string layerName) => _regex.IsMatch(layerName);

    /// <summary>The first pattern that matches each layer, by the layer's name. Throws when a pattern matches none.</summary>
    public static IReadOnlyDictionary<string, string> Match(IReadOnlyList<string> patterns, IReadOnlyList<string> layerNames)
    {
        var matched = new Dictionary<string, string>();
        var errors = new List<string>();
        foreach (var pattern in patterns.Select(p => new LayerPattern(p)))
        {
            var hits = layerNames.Where(pattern.Matches).ToList();
            foreach (var name in hits)
                matched.TryAdd(name, pattern.Text);
            if (hits.Count == 0)
            {
                errors.Add(
                    $"{nameof(PruningOptions.Ignore)} holds '{pattern.Text}', which matches none of the {layerNames.Count} layers; "
                    + $"allowed are names of layers or of modules around them, with * and ?. Near names: {string.Join(", ", Nearest(pattern.Text, layerNames))}.");
            }
        }

        ThrowAll(errors);
        return matched;
    }

    /// <summary>Throws one <see cref="ArgumentException"/> for all errors; does nothing when there are none.</summary>
    public static void ThrowAll(IReadOnlyList<string> errors)
    {
        if (errors.Count > 0)
            throw new PruningOptionsException(errors);
    }

    private static IEnumerable<string> Nearest(string pattern, IReadOnlyList<string> names)
    {
        var bare = pattern.Replace("*", "", StringComparison.Ordinal).Replace("?", "", StringComparison.Ordinal).Trim('.');
        var parts = names.Concat(names.Select(n => n[(n.LastIndexOf('.') + 1)..])).Distinct();
        return parts.OrderBy(name => Distance(bare, name)).ThenBy(name => name, StringComparer.Ordinal).Take(3).Select(name => $"'{name}'");
    }

    /// <summary>Levenshtein's edit distance.</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                var change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                row[j] = Math.Min(change, Math.Min(above, row[j - 1]) + 1);
                diagonal = above;
            }
        }

        return row[b.Length];
    }
}
