using System.Text;

namespace FilterPruning.Storage;

/// <summary>
/// Copies named tensors into a module's parameters and buffers, in place and without gradient, so that optimizers and shared references keep pointing at them.
/// Every name, shape and type is checked, and every number is read, before the first tensor is touched: the module is filled as asked or left as it was.
/// </summary>
public static class StateDictLoader
{
    private const int ListedPerKind = 20;

    /// <summary>Loads a file: safetensors or <c>.pth</c>, told apart by content.</summary>
    /// <param name="module">The module to fill, on any device.</param>
    /// <param name="path">The file.</param>
    /// <param name="options">How names are matched; null for the defaults.</param>
    /// <exception cref="ModelFileException">The file cannot be read.</exception>
    /// <exception cref="StateDictException">The tensors do not fit; every difference is listed.</exception>
    public static StateDictReport Load(nn.Module module, string path, StateDictOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        using var source = ModelFile.Open(path);
        return Load(module, source, options);
    }

    /// <summary>Loads tensors in memory, such as another module's <c>state_dict()</c>. They are copied, never kept or disposed.</summary>
    /// <param name="module">The module to fill, on any device.</param>
    /// <param name="tensors">The tensors by name.</param>
    /// <param name="options">How names are matched; null for the defaults.</param>
    /// <exception cref="StateDictException">The tensors do not fit; every difference is listed.</exception>
    public static StateDictReport Load(nn.Module module, IReadOnlyDictionary<string, Tensor> tensors, StateDictOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        using var source = new DictionaryTensorSource(tensors);
        return Load(module, source, options);
    }

    /// <summary>Loads an open source.</summary>
    /// <param name="module">The module to fill, on any device.</param>
    /// <param name="source">The tensors; it stays open.</param>
    /// <param name="options">How names are matched; null for the defaults.</param>
    /// <exception cref="ModelFileException">The file cannot be read.</exception>
    /// <exception cref="StateDictException">The tensors do not fit; every difference is listed.</exception>
    public static StateDictReport Load(nn.Module module, ITensorSource source, StateDictOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(source);
        options ??= new StateDictOptions();
        using var scope = NewDisposeScope();
        var targets = module.state_dict();
        var match = new StateDictMatch(source, targets, options);
        ThrowUnlessFits(match, module, source, options);

        using var noGrad = no_grad();
        var values = match.Pairs.ConvertAll(pair => (Target: targets[pair.Target], Value: source.Read(pair.Source)));
        foreach (var (target, value) in values)
            target.copy_(value);
        return new StateDictReport
        {
            Loaded = match.Pairs.ConvertAll(pair => pair.Target),
            Missing = match.Missing,
            Unexpected = match.Unexpected,
            Ignored = match.Ignored,
            Prefix = match.Prefix,
            Alternatives = match.Alternatives(),
        };
    }

    /// <summary>The beginning that a load would cut from the names of a source, by the rules of <see cref="StateDictOptions.Prefix"/> and <see cref="StateDictOptions.Container"/>. Reads no numbers.</summary>
    /// <param name="module">The module to be filled.</param>
    /// <param name="source">The tensors; it stays open.</param>
    /// <param name="options">How names are matched; null for the defaults.</param>
    /// <exception cref="StateDictException">The source has no such container.</exception>
    public static string FindPrefix(nn.Module module, ITensorSource source, StateDictOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(source);
        using var scope = NewDisposeScope();
        return new StateDictMatch(source, module.state_dict(), options ?? new StateDictOptions()).Prefix;
    }

    private static void ThrowUnlessFits(StateDictMatch match, nn.Module module, ITensorSource source, StateDictOptions options)
    {
        var nothing = match.Pairs.Count == 0 && match.Missing.Count > 0;
        var names = options.Strict || nothing;
        var missing = names ? match.Missing.FindAll(name => nothing || !StateDictMatch.IsOptional(name)) : [];
        var unexpected = names ? match.Unexpected.FindAll(name => nothing || !StateDictMatch.IsOptional(name)) : [];
        if (missing.Count + unexpected.Count + match.Mismatched.Count + match.Collisions.Count == 0)
            return;

        var text = new StringBuilder($"{source.Description} does not fit {module.GetName()}; the module is unchanged.");
        List(text, "the source lacks", missing.Count, missing.Select(name => $"\"{name}\"{Suggestion(name, unexpected)}"));
        List(text, "the module lacks", unexpected.Count, unexpected.Select(name => $"\"{name}\"{Suggestion(name, missing)}"));
        List(text, "different", match.Mismatched.Count, match.Mismatched.Select(pair => pair.Reason));
        List(text, "meant twice", match.Collisions.Count, match.Collisions);
        if (nothing)
            text.AppendLine().Append("It holds tensors under ").AppendJoin(", ", match.Entries().Take(ListedPerKind).Select(entry => $"{entry.Entry} ({entry.Tensors})")).Append($"; name an entry with {nameof(StateDictOptions)}.{nameof(StateDictOptions.Container)}, on the command line --weights-key.");
        text.AppendLine().Append("Give the architecture and number of classes the file was made for, rename with StateDictOptions.Rename, or allow missing and unexpected names with Strict = false.");
        throw new StateDictException(text.ToString(), missing, unexpected, match.Mismatched.ConvertAll(pair => pair.Name));
    }

    // A suggestion costs an edit distance per candidate, so only the listed names get one.
    private static string Suggestion(string name, List<string> others) =>
        others.Count <= 1000 && NearMiss.Find(name, others) is { } near ? $" (it has \"{near}\")" : "";

    private static void List(StringBuilder text, string title, int count, IEnumerable<string> lines)
    {
        if (count == 0)
            return;
        text.AppendLine().Append($"{title} ({count}): ").AppendJoin("; ", lines.Take(ListedPerKind));
        if (count > ListedPerKind)
            text.Append($"; and {count - ListedPerKind} more");
        text.Append('.');
    }
}
