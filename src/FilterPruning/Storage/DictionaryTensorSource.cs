namespace FilterPruning.Storage;

/// <summary>Tensors in memory as an <see cref="ITensorSource"/>. It owns none of them: <see cref="Read"/> gives an alias.</summary>
internal sealed class DictionaryTensorSource(IReadOnlyDictionary<string, Tensor> tensors) : ITensorSource
{
    public string Description => "the given dictionary";

    public IReadOnlyList<string> Names { get; } = [.. tensors.Keys];

    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    public TensorInfo Describe(string name) => new(Find(name).dtype, Find(name).shape);

    public Tensor Read(string name) => Find(name).alias();

    public void Dispose()
    {
    }

    private Tensor Find(string name) => tensors.TryGetValue(name, out var tensor) ? tensor : throw new ArgumentException($"The dictionary has no tensor \"{name}\".{NearMiss.Hint(name, Names)}", nameof(name));
}
