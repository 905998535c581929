namespace FilterPruning.Storage;

/// <summary>Which tensor of a source belongs to which of a module, and everything that does not fit. Reads no numbers and changes nothing.</summary>
internal sealed class StateDictMatch
{
    private const string BatchCounter = "num_batches_tracked";
    private const int MaximumContainers = 4;
    private const string Compiled = "_orig_mod."; // torch.compile puts it between a module and its names
    private static readonly string[] Containers = ["state_dict.", "model_state_dict.", "model.", "net.", "module.", Compiled];
    private static readonly string[] Averages = ["model_ema.", "ema_state_dict.", "state_dict_ema.", "ema_model.", "ema."];

    private readonly ITensorSource _source;
    private readonly IReadOnlyDictionary<string, Tensor> _targets;
    private readonly StateDictOptions _options;
    private readonly Dictionary<string, string> _sourceNames = new(StringComparer.Ordinal);

    public StateDictMatch(ITensorSource source, IReadOnlyDictionary<string, Tensor> targets, StateDictOptions options)
    {
        (_source, _targets, _options) = (source, targets, options);
        Prefix = options.Prefix ?? FindPrefix(StartIn(options.Container));
        foreach (var name in source.Names)
            Place(name);
        foreach (var (name, target) in targets)
        {
            if (!_sourceNames.TryGetValue(name, out var from))
                Missing.Add(name);
            else if (Difference(name, target, source.Describe(from)) is { } difference)
                Mismatched.Add((name, difference));
            else
                Pairs.Add((name, from));
        }
    }

    public string Prefix { get; }

    /// <summary>The module's name and the source's name of each tensor that fits.</summary>
    public List<(string Target, string Source)> Pairs { get; } = [];

    public List<string> Missing { get; } = [];

    public List<string> Unexpected { get; } = [];

    public List<string> Ignored { get; } = [];

    /// <summary>Name and reason.</summary>
    public List<(string Name, string Reason)> Mismatched { get; } = [];

    public List<string> Collisions { get; } = [];

    /// <summary>Other entries of the source that hold at least half as many of the module's tensors as the one that was taken.</summary>
    public IReadOnlyList<string> Alternatives() =>
    [
        .. Containers.Concat(Averages).Where(container => !Prefix.StartsWith(container, StringComparison.Ordinal) && _source.Names.Any(name => name.StartsWith(container, StringComparison.Ordinal)))
            .Where(container => 2 * Fitting(FindPrefix(container)) >= Math.Max(1, Pairs.Count)).Select(container => container[..^1]),
    ];

    /// <summary>The first words of the source's names, with how many tensors begin with each; the most first.</summary>
    public IEnumerable<(string Entry, int Tensors)> Entries() =>
        _source.Names.CountBy(FirstWord).OrderByDescending(entry => entry.Value).ThenBy(entry => entry.Key, StringComparer.Ordinal).Select(entry => (entry.Key, entry.Value));

    /// <summary>The counter of BatchNorm takes no part in inference, and files by older versions lack it; neither side's lack of it is an error, as in PyTorch.</summary>
    public static bool IsOptional(string name) => name.EndsWith(BatchCounter, StringComparison.Ordinal);

    private void Place(string name)
    {
        var renamed = NameInModule(name, Prefix);
        if (renamed is null)
            Ignored.Add(name);
        else if (!_targets.ContainsKey(renamed))
            Unexpected.Add(renamed);
        else if (!_sourceNames.TryAdd(renamed, name))
            Collisions.Add($"\"{_sourceNames[renamed]}\" and \"{name}\" are both \"{renamed}\"");
    }

    private string? NameInModule(string name, string prefix)
    {
        if (!name.StartsWith(prefix, StringComparison.Ordinal))
            return null;
        var cut = name[prefix.Length..];
        var renamed = Rename(cut);
        // A part of the module may have been compiled by itself.
        return renamed is not null && !_targets.ContainsKey(renamed) && cut.Contains(Compiled, StringComparison.Ordinal) ? Rename(cut.Replace(Compiled, "", StringComparison.Ordinal)) : renamed;
    }

    private string? Rename(string name) => _options.Rename is { } rename ? rename(name) : name;

    private bool Fits(string name, string prefix) => NameInModule(name, prefix) is { } renamed && _targets.ContainsKey(renamed);

    private int Fitting(string prefix) => _source.Names.Count(name => Fits(name, prefix));

    private string StartIn(string? container)
    {
        if (container is null)
            return "";
        var start = container.TrimEnd('.') + ".";
        if (_source.Names.Any(name => name.StartsWith(start, StringComparison.Ordinal)))
            return start;
        var entries = Entries().Select(entry => entry.Entry).Take(20).ToList();
        throw new StateDictException($"{_source.Description} has no tensors under \"{container}\".{NearMiss.Hint(container, entries)} It has some under {string.Join(", ", entries)}.", [], [], []);
    }

    private string FindPrefix(string start)
    {
        var prefix = start;
        for (var depth = 0; depth <= MaximumContainers; depth++)
        {
            if (_source.Names.Any(name => Fits(name, prefix)))
                return prefix;
            if (Wrapper(prefix, Containers) is not { } found && (found = Wrapper(prefix, Averages)) is null)
                break;
            prefix += found;
        }

        return start; // nothing matches anywhere: the names as they are make the clearest message
    }

    private string? Wrapper(string prefix, string[] wrappers) =>
        Array.Find(wrappers, wrapper => _source.Names.Any(name => name.StartsWith(prefix + wrapper, StringComparison.Ordinal)));

    private static string FirstWord(string name) => name.IndexOf('.', StringComparison.Ordinal) is > 0 and var dot ? name[..dot] : name;

    private string? Difference(string name, Tensor target, TensorInfo stored)
    {
        if (!target.shape.AsSpan().SequenceEqual([.. stored.Shape]))
            return $"\"{name}\" is [{string.Join(", ", target.shape)}] in the module and [{string.Join(", ", stored.Shape)}] in the source";
        if (target.dtype == stored.DType)
            return null;
        if (!_options.AllowCast)
            return $"\"{name}\" is {target.dtype} in the module and {stored.DType} in the source, and casts are not allowed";
        return CanCast(stored.DType, target.dtype) ? null : $"\"{name}\" is {target.dtype} in the module and {stored.DType} in the source, which would lose numbers";
    }

    private static bool CanCast(ScalarType from, ScalarType to) =>
        (IsFloating(from) && IsFloating(to)) || (IsInteger(from) && IsInteger(to) && SafetensorsDTypes.SizeOf(from) < SafetensorsDTypes.SizeOf(to));

    private static bool IsFloating(ScalarType type) => type is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64;

    private static bool IsInteger(ScalarType type) => type is ScalarType.Byte or ScalarType.Int8 or ScalarType.Int16 or ScalarType.Int32 or ScalarType.Int64;
}
