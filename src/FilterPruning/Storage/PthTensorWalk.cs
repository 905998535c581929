using System.Globalization;

namespace FilterPruning.Storage;

/// <summary>Finds the tensors in the tree of a .pth file and names them by their path: <c>model.conv1.weight</c>, <c>optimizer.state.0.exp_avg</c>.</summary>
internal sealed class PthTensorWalk
{
    private readonly string _path;
    private readonly PthLimits _limits;
    private readonly OrderedDictionary<string, PthTensor> _found = new(StringComparer.Ordinal);
    private readonly List<(object? Key, int Index)> _keys = []; // of a list's element the index, unboxed
    private int _values;
    private long _characters;

    private PthTensorWalk(string path, PthLimits limits) => (_path, _limits) = (path, limits);

    /// <summary>The tensors in the order of the file. A root that is itself a tensor has the empty name.</summary>
    public static OrderedDictionary<string, PthTensor> Find(object? root, string path, PthLimits limits)
    {
        var walk = new PthTensorWalk(path, limits);
        walk.Visit(root);
        return walk._found;
    }

    private void Visit(object? value)
    {
        if (_keys.Count > _limits.Nesting)
            throw Limit($"its containers lie more than {_limits.Nesting} deep in each other, or one holds itself", nameof(PthLimits.Nesting));
        if (++_values > _limits.Values)
            throw Limit($"its tree has more than {_limits.Values} values, shared ones counted where they are met", nameof(PthLimits.Values));
        switch (value)
        {
            case PthTensor tensor:
                var name = Name();
                if (!_found.TryAdd(name, tensor))
                    throw new ModelFileException(ModelFileErrorKind.DuplicateKey, _path, $"two tensors are named \"{name}\" once dots join the keys; which of them is meant cannot be known.");
                break;
            case OrderedDictionary<object, object?> dictionary:
                foreach (var (key, item) in dictionary)
                    Visit(item, (key, 0));
                break;
            case IReadOnlyList<object?> list:
                for (var i = 0; i < list.Count; i++)
                    Visit(list[i], (null, i));
                break;
        }
    }

    private void Visit(object? value, (object? Key, int Index) step)
    {
        if (value is not (PthTensor or OrderedDictionary<object, object?> or IReadOnlyList<object?>))
        {
            _values++; // nothing to find in it; the next value that has something sees whether there were too many
            return;
        }

        _keys.Add(step);
        Visit(value);
        _keys.RemoveAt(_keys.Count - 1);
    }

    // One long key is in the name of every tensor below it, and a reference to one costs two bytes.
    private string Name()
    {
        var words = _keys.ConvertAll(step => Word(step.Key ?? (long)step.Index));
        var length = words.Sum(word => (long)word.Length) + Math.Max(0, words.Count - 1);
        if (length > _limits.NameLength)
            throw Limit($"the name of a tensor has {length} characters once dots join the keys, more than {_limits.NameLength}", nameof(PthLimits.NameLength));
        _characters += length;
        if (_characters > _limits.NameCharacters)
            throw Limit($"the names of its tensors have more than {_limits.NameCharacters} characters", nameof(PthLimits.NameCharacters));
        return string.Join('.', words);
    }

    private static string Word(object key) => key as string ?? (key is object?[] tuple ? $"({tuple.Length} values)" : Convert.ToString(key, CultureInfo.InvariantCulture)!);

    private ModelFileException Limit(string what, string limit) => new(ModelFileErrorKind.LimitExceeded, _path, $"{what}. Raise PthLimits.{limit} if you trust the file.");
}
