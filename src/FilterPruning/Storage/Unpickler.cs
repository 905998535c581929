using System.Numerics;

namespace FilterPruning.Storage;

/// <summary>
/// Reads the pickle of a <c>torch.save</c> file into plain data. It is no Python: it knows the operations that <c>torch.save</c> writes (protocols 2 to 5) and the
/// handful of names that tensors need, calls nothing, and refuses everything else by name. It does not recurse, so depth costs no stack.
/// Operations: https://github.com/python/cpython/blob/main/Lib/pickletools.py.
/// </summary>
internal sealed class Unpickler
{
    private readonly string _path;
    private readonly PthLimits _limits;
    private readonly PickleBytes _bytes;
    private readonly PickleStack _stack;
    private readonly PickleBuilder _builder;
    private readonly Dictionary<uint, object?> _memo = [];

    private Unpickler(byte[] pickle, string path, PthLimits limits, Func<PthStorage, long> storageBytes)
    {
        (_path, _limits) = (path, limits);
        _bytes = new PickleBytes(pickle, path);
        _stack = new PickleStack(path);
        _builder = new PickleBuilder(_stack, path, limits, storageBytes);
    }

    /// <summary>
    /// Reads a pickle. The result is made of null, <see cref="bool"/>, <see cref="long"/>, <see cref="BigInteger"/>, <see cref="double"/>, <see cref="string"/>, byte arrays, <see cref="ScalarType"/>,
    /// <see cref="PthTensor"/>, lists and tuples (<see cref="IReadOnlyList{T}"/>) and dictionaries.
    /// </summary>
    /// <param name="pickle">The bytes of data.pkl.</param>
    /// <param name="path">The file, for messages.</param>
    /// <param name="limits">What is taken at most.</param>
    /// <param name="storageBytes">Tells the bytes that the archive holds of a storage; throws where it holds none.</param>
    public static object? Read(byte[] pickle, string path, PthLimits limits, Func<PthStorage, long> storageBytes) => new Unpickler(pickle, path, limits, storageBytes).Run();

    private object? Run()
    {
        for (var count = 0; ; count++)
        {
            if (count == _limits.Operations)
                throw Limit($"data.pkl has more than {_limits.Operations} operations", nameof(PthLimits.Operations));
            var opcode = _bytes.Byte();
            if (opcode == '.')
                return PickleBuilder.IsData(_stack.Peek()) ? _stack.Pop() : throw _stack.Broken("its result is a class, not data");
            if (!Literal(opcode) && !Text(opcode) && !Container(opcode) && !Memo(opcode) && !Object(opcode))
                throw new ModelFileException(ModelFileErrorKind.UnsupportedOpcode, _path, $"data.pkl holds the pickle operation 0x{opcode:X2}, which files of tensors have no use for. {PickleBuilder.Advice}");
        }
    }

    private bool Literal(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'N': _stack.Push(null); return true;
            case 0x88: _stack.Push(true); return true;
            case 0x89: _stack.Push(false); return true;
            case (byte)'J': _stack.Push((long)_bytes.Int32()); return true;
            case (byte)'K': _stack.Push((long)_bytes.Byte()); return true;
            case (byte)'M': _stack.Push((long)_bytes.UInt16()); return true;
            case 0x8a: PushWhole(_bytes.Take(_bytes.Byte())); return true; // LONG1
            case (byte)'G': _stack.Push(_bytes.BigEndianDouble()); return true;
            default: return false;
        }
    }

    private bool Text(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'X': _stack.Push(_bytes.Text(_bytes.UInt32())); return true;
            case 0x8c: _stack.Push(_bytes.Text(_bytes.Byte())); return true; // SHORT_BINUNICODE
            case 0x8d: _stack.Push(_bytes.Text(_bytes.UInt64())); return true; // BINUNICODE8
            case (byte)'U': _stack.Push(_bytes.Text(_bytes.Byte())); return true; // SHORT_BINSTRING, a str of Python 2
            case (byte)'C': _stack.Push(_bytes.Take(_bytes.Byte()).ToArray()); return true;
            case (byte)'B': _stack.Push(_bytes.Take(_bytes.UInt32()).ToArray()); return true;
            case 0x8e: _stack.Push(_bytes.Take(_bytes.UInt64()).ToArray()); return true; // BINBYTES8
            default: return false;
        }
    }

    private bool Container(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'(': _stack.Mark(); return true;
            case (byte)')': _stack.Push(Array.Empty<object?>()); return true;
            case (byte)'t': _stack.Push(_stack.PopToMark()); return true;
            case 0x85: PushTuple(1); return true;
            case 0x86: PushTuple(2); return true;
            case 0x87: PushTuple(3); return true;
            case (byte)']': _stack.Push(new List<object?>()); return true;
            case (byte)'}': _stack.Push(PickleBuilder.NewDictionary()); return true;
            case (byte)'a': Append([_stack.Pop()]); return true;
            case (byte)'e': Append(_stack.PopToMark()); return true;
            case (byte)'s': SetItem(); return true;
            case (byte)'u': _builder.SetItems(_stack.PopToMark()); return true;
            default: return false;
        }
    }

    private bool Memo(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'q': Remember(_bytes.Byte()); return true;
            case (byte)'r': Remember(_bytes.UInt32()); return true;
            case 0x94: Remember((uint)_memo.Count); return true; // MEMOIZE
            case (byte)'h': Recall(_bytes.Byte()); return true;
            case (byte)'j': Recall(_bytes.UInt32()); return true;
            default: return false;
        }
    }

    private bool Object(byte opcode)
    {
        switch (opcode)
        {
            case 0x80: CheckProtocol(_bytes.Byte()); return true;
            case 0x95: _bytes.UInt64(); return true; // FRAME: only a hint for buffered reading
            case (byte)'c': _stack.Push(_builder.Global(_bytes.Line(), _bytes.Line())); return true;
            case 0x93: StackGlobal(); return true;
            case (byte)'R': Reduce(); return true;
            case 0x81: return NewObject();
            case (byte)'b': _builder.Build(_stack.Pop()); return true;
            case (byte)'Q': _stack.Push(_builder.PersistentStorage(_stack.Pop<object?[]>("a tuple that names a storage"))); return true;
            default: return false;
        }
    }

    private void PushTuple(int count)
    {
        var items = new object?[count];
        for (var i = count - 1; i >= 0; i--)
            items[i] = _stack.Pop();
        _stack.Push(items);
    }

    private void Append(object?[] items) => _stack.Peek<List<object?>>("a list").AddRange(items);

    private void SetItem()
    {
        var value = _stack.Pop();
        _builder.SetItems([_stack.Pop(), value]);
    }

    private void Remember(uint index)
    {
        _memo[index] = _stack.Peek();
        if (_memo.Count > _limits.MemoEntries)
            throw Limit($"data.pkl remembers more than {_limits.MemoEntries} objects", nameof(PthLimits.MemoEntries));
    }

    private void Recall(uint index) => _stack.Push(_memo.TryGetValue(index, out var value) ? value : throw _stack.Broken($"it recalls object {index}, which it never remembered"));

    private void StackGlobal()
    {
        var name = _stack.Pop<string>("a name");
        _stack.Push(_builder.Global(_stack.Pop<string>("a module's name"), name));
    }

    private void Reduce()
    {
        var arguments = _stack.Pop<object?[]>("a tuple of arguments");
        _stack.Push(_builder.Call(_stack.Pop<PickleGlobal>("something to call"), arguments));
    }

    // NEWOBJ makes an instance of a class without calling it. Of the known classes only argparse.Namespace is pickled this way.
    private bool NewObject()
    {
        var arguments = _stack.Pop<object?[]>("a tuple of arguments");
        if (arguments.Length > 0 || _stack.Pop() is not PickleGlobal { Callable: PickleCallable.Namespace })
            return false;
        _stack.Push(new PickleNamespace());
        return true;
    }

    private void CheckProtocol(byte protocol)
    {
        if (protocol is < 2 or > 5)
            throw new ModelFileException(ModelFileErrorKind.UnsupportedOpcode, _path, $"data.pkl is pickled with protocol {protocol}; 2 to 5 are known.");
    }

    private void PushWhole(ReadOnlySpan<byte> littleEndian)
    {
        var value = new BigInteger(littleEndian);
        if (value >= long.MinValue && value <= long.MaxValue)
            _stack.Push((long)value);
        else
            _stack.Push(value);
    }

    private ModelFileException Limit(string what, string name) => new(ModelFileErrorKind.LimitExceeded, _path, $"{what}. Raise PthLimits.{name} if you trust the file.");
}
