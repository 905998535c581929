namespace FilterPruning.Storage;

/// <summary>Which tensor of a source belongs to which of a module, and everything that does not fit. Reads no numbers and changes nothing.</summary>
internal sealed class StateDictMatch
{
    private const string BatchCounter = "num_batches_tracked";
    private const int MaximumContainers = 4;
    private static readonly string[] Containers = ["state_dict.", "model_state_dict.", "model.", "net.", "module."];

    private readonly ITensorSource _source;
    private readonly IReadOnlyDictionary<string, Tensor> _targets;
    private readonly StateDictOptions _options;
    private readonly Dictionary<string, string> _sourceNames = new(StringComparer.Ordinal);

    public StateDictMatch(ITensorSource source, IReadOnlyDictionary<string, Tensor> targets, StateDictOptions options)
    {
        (_source, _targets, _options) = (source, targets, options);
        Prefix = options.Prefix ?? FindPrefix();
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
        return _options.Rename is { } rename ? rename(cut) : cut;
    }

    private string FindPrefix()
    {
        var prefix = "";
        for (var depth = 0; depth <= MaximumContainers; depth++)
        {
            if (_source.Names.Any(name => NameInModule(name, prefix) is { } renamed && _targets.ContainsKey(renamed)))
                return prefix;
            if (Array.Find(Containers, container => _source.Names.Any(name => name.StartsWith(prefix + container, StringComparison.Ordinal))) is not { } found)
                break;
            prefix += found;
        }

        return ""; // nothing matches anywhere: the names as they are make the clearest message
    }

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
