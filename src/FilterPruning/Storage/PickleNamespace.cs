namespace FilterPruning.Storage;

/// <summary>An <c>argparse.Namespace</c> as plain data: its attributes by name. Scripts save their arguments beside the weights this way.</summary>
internal sealed class PickleNamespace() : OrderedDictionary<object, object?>(PickleKeyComparer.Instance);
