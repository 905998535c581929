namespace FilterPruning.Storage;

/// <summary>Makes tensors and containers for <see cref="Unpickler"/>: the meaning of the few names a pickle may use.</summary>
internal sealed class PickleBuilder(PickleStack stack, string path, PthLimits limits, Func<PthStorage, long> storageBytes)
{
    public const string Advice = "A .pth file can ask for any code to run; this reader runs none. If you trust the file, load it with PyTorch and save only its state_dict() again, best as safetensors.";

    private const int MaximumRank = 64;
    private const int MaximumKey = 256;
    private const int MaximumDevice = 64;
    private long _copied;

    public static OrderedDictionary<object, object?> NewDictionary() => new(PickleKeyComparer.Instance);

    /// <summary>Whether a value may be part of the result. Classes and storages are steps on the way to a tensor.</summary>
    public static bool IsData(object? value) => value is not PickleGlobal and not PthStorage and not PickleNumpyType;

    public object Global(string module, string name) =>
        PickleGlobal.Find(module, name) ?? throw new ModelFileException(
            ModelFileErrorKind.ForbiddenGlobal, path, $"data.pkl names {module}.{name}, which tensors do not need; it was not imported and not called. {Advice}");

    public void SetItems(object?[] items)
    {
        var dictionary = stack.Peek<OrderedDictionary<object, object?>>("a dictionary");
        if (items.Length % 2 != 0)
            throw stack.Broken("a dictionary has a key without a value");
        for (var i = 0; i < items.Length; i += 2)
            dictionary[Key(items[i])] = items[i + 1];
    }

    public object? Call(PickleGlobal function, object?[] arguments) => function.Callable switch
    {
        PickleCallable.OrderedDict => OrderedDict(arguments),
        PickleCallable.RebuildTensor => Tensor(arguments),
        PickleCallable.RebuildParameter => Parameter(arguments),
        PickleCallable.Size => arguments is [IReadOnlyList<object?> sizes] ? Copy(sizes) : throw Arguments(function),
        PickleCallable.Counter => arguments is [] ? NewDictionary() : arguments is [OrderedDictionary<object, object?> counts] ? Fill(NewDictionary(), counts) : throw Arguments(function),
        PickleCallable.Path => PathOf(arguments) ?? throw Arguments(function),
        PickleCallable.Encode => arguments is [string text, "latin1"] ? Encoded(text) : throw Arguments(function),
        PickleCallable.NumpyType => arguments is [string code, ..] ? new PickleNumpyType(code) : throw Arguments(function),
        PickleCallable.NumpyScalar => arguments is [PickleNumpyType type, byte[] bytes] ? type.Read(bytes) : throw Arguments(function),
        PickleCallable.Device => Device(function, arguments),
        _ => throw stack.Broken($"it calls {function.Name}"),
    };

    /// <summary>
    /// BUILD gives an object attributes. Those of a <c>Namespace</c> are its content, one of a NumPy type is its byte order. A state_dict carries the versions of its modules that way; they are read and let go.
    /// </summary>
    public void Build(object? state)
    {
        switch (stack.Peek())
        {
            case PickleNamespace space:
                Fill(space, state as OrderedDictionary<object, object?> ?? throw stack.Broken("the attributes of a Namespace are no dictionary"));
                return;
            case PickleNumpyType type:
                type.IsBigEndian = state is object?[] and [_, string order, ..] ? order == ">" : throw stack.Broken("the attributes of a NumPy type are of another kind");
                return;
        }

        stack.Peek<OrderedDictionary<object, object?>>("an OrderedDict");
        if (state is not (OrderedDictionary<object, object?> or object?[]))
            throw stack.Broken("the attributes of an OrderedDict are no dictionary");
    }

    public PthStorage PersistentStorage(object?[] id)
    {
        if (id is not ["storage", PickleGlobal { Callable: PickleCallable.Storage } type, string key, string, long count] || count < 0)
            throw stack.Broken("a storage is not named by (\"storage\", type, key, device, number of elements)");
        if (key.Length > MaximumKey)
            throw stack.Broken($"a storage's key has {key.Length} characters; at most {MaximumKey} are taken");
        if (type.StorageType is not { } dtype)
            throw new ModelFileException(ModelFileErrorKind.UnknownDType, path, $"storage \"{key}\" is a {type.Name}; known are float, double, half, bfloat16, the whole numbers of 8 to 64 bits (8 bits also unsigned) and bool.");

        var storage = new PthStorage(key, dtype, count);
        var expected = SafetensorsDTypes.ByteCount(dtype, [count]);
        var actual = storageBytes(storage);
        if (actual != expected)
            throw new ModelFileException(ModelFileErrorKind.StorageSize, path, $"storage \"{key}\" holds {actual} bytes, but {count} elements of {dtype} are claimed. The file is damaged.");
        return storage;
    }

    // A text that is remembered once could be joined to a number again and again, a few bytes each time.
    private string Device(PickleGlobal function, object?[] arguments) => arguments switch
    {
        [string { Length: <= MaximumDevice } type] => type,
        [string { Length: <= MaximumDevice } type, long index] => $"{type}:{index}",
        _ => throw Arguments(function),
    };

    private OrderedDictionary<object, object?> OrderedDict(object?[] arguments)
    {
        var dictionary = NewDictionary();
        if (arguments.Length == 0)
            return dictionary;
        if (arguments is not [IReadOnlyList<object?> pairs])
            throw stack.Broken("an OrderedDict is made of something that is no list of pairs");
        foreach (var pair in Copy(pairs))
        {
            if (pair is not IReadOnlyList<object?> { Count: 2 } both)
                throw stack.Broken("an OrderedDict is made of something that is no list of pairs");
            dictionary[Key(both[0])] = both[1];
        }

        return dictionary;
    }

    private OrderedDictionary<object, object?> Fill(OrderedDictionary<object, object?> target, OrderedDictionary<object, object?> items)
    {
        if (ReferenceEquals(target, items))
            throw stack.Broken("something is its own attributes");
        CountCopies(items.Count);
        foreach (var (key, value) in items)
            target[key] = value;
        return target;
    }

    private string? PathOf(object?[] parts)
    {
        if (!parts.All(part => part is string))
            return null;
        CountCopies(parts.Sum(part => ((string)part!).Length));
        return string.Join('/', parts.Select((part, i) => i == 0 && parts.Length > 1 ? ((string)part!).TrimEnd('/') : part));
    }

    // Protocol 2 has no bytes: Python writes them as text to be encoded.
    private byte[] Encoded(string text)
    {
        CountCopies(text.Length);
        return text.All(letter => letter <= 0xff) ? System.Text.Encoding.Latin1.GetBytes(text) : throw stack.Broken("text is encoded as latin1 and has other letters");
    }

    // _rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks[, metadata])
    private PthTensor Tensor(object?[] arguments)
    {
        if (arguments is not [PthStorage storage, long offset, IReadOnlyList<object?> sizes, IReadOnlyList<object?> steps, bool requiresGrad, ..] || arguments.Length is < 6 or > 7)
            throw stack.Broken("a tensor is not made of a storage, offset, size, stride and whether it requires gradients");
        var shape = WholeNumbers(sizes, "shape");
        var strides = WholeNumbers(steps, "stride");
        if (shape.Length != strides.Length)
            throw new ModelFileException(ModelFileErrorKind.InvalidShape, path, $"a tensor has {shape.Length} sizes and {strides.Length} strides.");
        if (SafetensorsDTypes.ByteCount(storage.DType, shape) is not { } bytes)
            throw new ModelFileException(ModelFileErrorKind.ShapeOverflow, path, $"a tensor of shape [{string.Join(", ", shape)}]: its bytes cannot be counted in 63 bits.");

        Int128 end = offset;
        if (bytes > 0)
        {
            end++;
            for (var i = 0; i < shape.Length; i++)
                end += (Int128)(shape[i] - 1) * strides[i];
        }

        if (offset < 0 || end > storage.Count)
        {
            throw new ModelFileException(
                ModelFileErrorKind.TensorOutsideStorage,
                path,
                $"a tensor of shape [{string.Join(", ", shape)}], strides [{string.Join(", ", strides)}] and offset {offset} ends at element {end} of storage \"{storage.Key}\", which has {storage.Count}.");
        }

        return new PthTensor(storage, offset, shape, strides, requiresGrad);
    }

    // _rebuild_parameter(data, requires_grad, backward_hooks)
    private PthTensor Parameter(object?[] arguments) => arguments is [PthTensor data, bool requiresGrad, _]
        ? new PthTensor(data, requiresGrad)
        : throw stack.Broken("a parameter is not made of a tensor and whether it requires gradients");

    private long[] WholeNumbers(IReadOnlyList<object?> items, string what)
    {
        if (items.Count > MaximumRank || items.Any(item => item is not >= 0L))
            throw new ModelFileException(ModelFileErrorKind.InvalidShape, path, $"a tensor's {what} must be at most {MaximumRank} whole numbers that are not negative.");
        CountCopies(items.Count);
        return [.. items.Select(item => (long)item!)];
    }

    // A list that is remembered once can be copied again and again by a few bytes each; the total is bounded.
    private object?[] Copy(IReadOnlyList<object?> items)
    {
        CountCopies(items.Count);
        return [.. items];
    }

    private void CountCopies(long count)
    {
        _copied += count;
        if (_copied > limits.Operations)
            throw new ModelFileException(ModelFileErrorKind.LimitExceeded, path, $"data.pkl copies more than {limits.Operations} values. Raise PthLimits.{nameof(PthLimits.Operations)} if you trust the file.");
    }

    private object Key(object? key) => key switch
    {
        null => "None",
        string or long or bool or double or ScalarType or object?[] => key,
        _ => throw stack.Broken("a dictionary has a key that is no text, number or tuple"),
    };

    private ModelFileException Arguments(PickleGlobal function) => stack.Broken($"the arguments of {function.Name} are of another kind");
}
