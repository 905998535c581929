using System.Globalization;

namespace FilterPruning.Storage;

/// <summary>Finds the tensors in the tree of a .pth file and names them by their path: <c>model.conv1.weight</c>, <c>optimizer.state.0.exp_avg</c>.</summary>
internal sealed class PthTensorWalk
{
    private readonly string _path;
    private readonly PthLimits _limits;
    private readonly OrderedDictionary<string, PthTensor> _found = new(StringComparer.Ordinal);
    private int _values;
    private long _characters;

    private PthTensorWalk(string path, PthLimits limits) => (_path, _limits) = (path, limits);

    /// <summary>The tensors in the order of the file. A root that is itself a tensor has the empty name.</summary>
    public static OrderedDictionary<string, PthTensor> Find(object? root, string path, PthLimits limits)
    {
        var walk = new PthTensorWalk(path, limits);
        walk.Visit(root, null, 0);
        return walk._found;
    }

    private void Visit(object? value, string? name, int depth)
    {
        if (depth > _limits.Nesting)
            throw Limit($"its containers lie more than {_limits.Nesting} deep in each other, or one holds itself", nameof(PthLimits.Nesting));
        if (++_values > _limits.Values)
            throw Limit($"its tree has more than {_limits.Values} values, shared ones counted where they are met", nameof(PthLimits.Values));
        switch (value)
        {
            case PthTensor tensor:
                if (!_found.TryAdd(name ?? "", tensor))
                    throw new ModelFileException(ModelFileErrorKind.DuplicateKey, _path, $"two tensors are named \"{name}\" once dots join the keys; which of them is meant cannot be known.");
                break;
            case OrderedDictionary<object, object?> dictionary:
                foreach (var (key, item) in dictionary)
                    Visit(item, Join(name, Word(key)), depth + 1);
                break;
            case IReadOnlyList<object?> list:
                for (var i = 0; i < list.Count; i++)
                    Visit(list[i], Join(name, Word((long)i)), depth + 1);
                break;
        }
    }

    // One long key is in the name of everything below it, and a list of references costs two bytes an element.
    private string Join(string? parent, string key)
    {
        var length = (parent is null ? 0L : parent.Length + 1L) + key.Length;
        if (length > _limits.NameLength)
            throw Limit($"a name in its tree has {length} characters once dots join the keys, more than {_limits.NameLength}", nameof(PthLimits.NameLength));
        _characters += length;
        if (_characters > _limits.NameCharacters)
            throw Limit($"the names in its tree have more than {_limits.NameCharacters} characters", nameof(PthLimits.NameCharacters));
        return parent is null ? key : $"{parent}.{key}";
    }

    private static string Word(object key) => key as string ?? (key is object?[] tuple ? $"({tuple.Length} values)" : Convert.ToString(key, CultureInfo.InvariantCulture)!);

    private ModelFileException Limit(string what, string limit) => new(ModelFileErrorKind.LimitExceeded, _path, $"{what}. Raise PthLimits.{limit} if you trust the file.");
}
