using System.Text;
using System.Text.RegularExpressions;
using FilterPruning.Graph;

namespace FilterPruning.Planning;

/// <summary>Patterns over layer names: <c>*</c> any run of characters, <c>?</c> one character; a module's name stands for every layer inside it.</summary>
internal sealed class LayerPattern
{
    private static readonly (string Suffix, ChannelAxis Axis)[] _suffixes = [(":outputs", ChannelAxis.Output), (":inputs", ChannelAxis.Input)];

    private readonly Regex _regex;

    public LayerPattern(string text, bool withSide = false)
    {
        Text = text;
        var name = text;
        foreach (var (suffix, axis) in _suffixes.Where(entry => withSide && text.EndsWith(entry.Suffix, StringComparison.Ordinal)))
            (Side, name) = (axis, text[..^suffix.Length]);
        var regex = new StringBuilder("^");
        foreach (var character in name)
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

    /// <summary>The pattern as it was given.</summary>
    public string Text { get; }

    /// <summary>The side it is about; null for both.</summary>
    public ChannelAxis? Side { get; }

    public bool Matches(string layerName) => _regex.IsMatch(layerName);

    /// <summary>Patterns of <see cref="PruningOptions.Ignore"/>. Throws when one matches no layer.</summary>
    public static IReadOnlyList<LayerPattern> MatchSides(IReadOnlyList<string> patterns, IReadOnlyList<string> layerNames)
        => Matching(nameof(PruningOptions.Ignore), patterns.Select(text => new LayerPattern(text, withSide: true)), layerNames, "names of layers or of modules around them, with * and ?, and ':outputs' or ':inputs' after them");

    /// <summary>The index of the last entry of <see cref="PruningOptions.LayerRatios"/> that matches each layer, by the layer's name. Throws when one matches none.</summary>
    public static IReadOnlyDictionary<string, int> MatchRatios(IReadOnlyList<LayerRatio> ratios, IReadOnlyList<string> layerNames)
    {
        var patterns = Matching(nameof(PruningOptions.LayerRatios), ratios.Select(ratio => new LayerPattern(ratio.Pattern)), layerNames, "names of layers or of modules around them, with * and ?");
        var matched = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < patterns.Count; i++)
        {
            foreach (var name in layerNames.Where(patterns[i].Matches))
                matched[name] = i;
        }

        return matched;
    }

    private static List<LayerPattern> Matching(string option, IEnumerable<LayerPattern> patterns, IReadOnlyList<string> layerNames, string allowed)
    {
        var list = patterns.ToList();
        ThrowAll([.. list.Where(pattern => !layerNames.Any(pattern.Matches)).Select(pattern =>
            $"{option} holds '{pattern.Text}', which matches none of the {layerNames.Count} layers; allowed are {allowed}. Near names: {string.Join(", ", Nearest(pattern.Text, layerNames))}.")]);
        return list;
    }

    /// <summary>Throws one <see cref="ArgumentException"/> for all errors; does nothing when there are none.</summary>
    public static void ThrowAll(IReadOnlyList<string> errors)
    {
        if (errors.Count > 0)
            throw new PruningOptionsException(errors);
    }

    private static IEnumerable<string> Nearest(string pattern, IReadOnlyList<string> names)
    {
        var colon = pattern.IndexOf(':', StringComparison.Ordinal);
        var bare = (colon < 0 ? pattern : pattern[..colon]).Replace("*", "", StringComparison.Ordinal).Replace("?", "", StringComparison.Ordinal).Trim('.');
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
