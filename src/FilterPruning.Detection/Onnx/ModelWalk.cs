namespace FilterPruning.Detection.Onnx;

/// <summary>
/// A model's modules and tensors by name, and which of them were written. What is left at the end would have been passed over in silence, so it is an error.
/// </summary>
internal sealed class ModelWalk
{
    private readonly Dictionary<string, Tensor> _tensors;
    private readonly HashSet<string> _unread;
    private readonly HashSet<string> _unvisited = new(StringComparer.Ordinal);

    public ModelWalk(nn.Module model)
    {
        _tensors = new(model.state_dict(), StringComparer.Ordinal);
        _unread = new(_tensors.Keys, StringComparer.Ordinal);
        Root = new ModuleAt(this, "", model);
        Collect(Root);
    }

    public ModuleAt Root { get; }

    /// <summary>A tensor of the state dict by its whole name, or null; the model's own. It counts as written.</summary>
    public Tensor? Read(string name)
    {
        _unread.Remove(name);
        return _tensors.GetValueOrDefault(name);
    }

    public void Visit(string path) => _unvisited.Remove(path);

    /// <summary>Throws where a module or a tensor was not written.</summary>
    public void ThrowOnLeftovers()
    {
        if (_unvisited.Count > 0)
        {
            throw new PruningException(
                $"The model holds {Names(_unvisited)}, which the ONNX exporter does not know in this place, so the graph would lack it. Take it out before the export, or export the detector without it.");
        }

        if (_unread.Count > 0)
            throw new PruningException($"The model holds the tensors {Names(_unread)}, which no operation of the ONNX graph reads. Take them out before the export.");
    }

    private void Collect(ModuleAt at)
    {
        _unvisited.Add(at.Path);
        foreach (var child in at.Children())
            Collect(child);
    }

    private static string Names(IEnumerable<string> names)
    {
        string[] sorted = [.. names.Order(StringComparer.Ordinal)];
        return string.Join(", ", sorted.Take(8).Select(name => $"'{name}'")) + (sorted.Length > 8 ? $" and {sorted.Length - 8} more" : "");
    }
}

/// <summary>A module in its place.</summary>
internal readonly record struct ModuleAt(ModelWalk Walk, string Path, nn.Module Module)
{
    /// <summary>All children in the order in which they were registered.</summary>
    public IEnumerable<ModuleAt> Children()
    {
        var (walk, path) = (Walk, Path);
        return Module.named_children().Select(child => new ModuleAt(walk, path.Length == 0 ? child.name : $"{path}.{child.name}", child.module));
    }

    /// <summary>A child that must be there.</summary>
    public ModuleAt Child(string name) => ChildOrNull(name) ?? throw new PruningException($"'{Path}' has no module '{name}'; the ONNX exporter needs it there.");

    /// <summary>A child, or null.</summary>
    public ModuleAt? ChildOrNull(string name)
    {
        var path = Path.Length == 0 ? name : $"{Path}.{name}";
        foreach (var child in Children())
        {
            if (child.Path == path)
                return child;
        }

        return null;
    }

    /// <summary>The module as a class that the exporter writes; it counts as written.</summary>
    /// <exception cref="PruningException">It is of another class, a derived one included: that may compute anything.</exception>
    public T As<T>()
        where T : nn.Module
    {
        if (Module.GetType() != typeof(T))
            throw Unknown(typeof(T).Name);
        Walk.Visit(Path);
        return (T)Module;
    }

    /// <summary>A tensor of the module, or null; it counts as written.</summary>
    public Tensor? Tensor(string name) => Walk.Read($"{Path}.{name}");

    /// <summary>The error for a module in a place where something else is expected.</summary>
    public PruningException Unknown(string known) => new(
        $"The ONNX exporter does not know what '{Path}' computes: it is a {Module.GetType().FullName}, and in this place only {known} can be written. Put that back before the export.");
}
