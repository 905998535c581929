using System.Runtime.InteropServices;

namespace FilterPruning.Storage;

/// <summary>The stack of a pickle machine, with the marks that begin a run of items.</summary>
internal sealed class PickleStack(string path)
{
    private readonly List<object?> _items = [];
    private readonly Stack<int> _marks = [];

    private int Floor => _marks.TryPeek(out var mark) ? mark : 0;

    public void Push(object? value) => _items.Add(value);

    public void Mark() => _marks.Push(_items.Count);

    public object? Pop()
    {
        var top = Peek();
        _items.RemoveAt(_items.Count - 1);
        return top;
    }

    public object? Peek() => _items.Count > Floor ? _items[^1] : throw Broken("its stack is empty where a value is wanted");

    public T Pop<T>(string wanted)
        where T : class => Pop() as T ?? throw Broken($"{wanted} is wanted where there is something else");

    public T Peek<T>(string wanted)
        where T : class => Peek() as T ?? throw Broken($"{wanted} is wanted where there is something else");

    /// <summary>Takes what lies above the last mark, and the mark.</summary>
    public object?[] PopToMark()
    {
        if (!_marks.TryPop(out var mark))
            throw Broken("a mark is wanted where there is none");
        var items = CollectionsMarshal.AsSpan(_items)[mark..].ToArray();
        _items.RemoveRange(mark, _items.Count - mark);
        return items;
    }

    public ModelFileException Broken(string reason) => new(ModelFileErrorKind.InvalidPickle, path, $"data.pkl is broken: {reason}. The file is damaged.");
}
