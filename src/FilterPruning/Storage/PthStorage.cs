namespace FilterPruning.Storage;

/// <summary>A run of numbers in a .pth archive that tensors are views of.</summary>
/// <param name="Key">The entry's name behind <c>data/</c>.</param>
/// <param name="DType">The element type.</param>
/// <param name="Count">The number of elements; checked against the entry's length.</param>
internal sealed record PthStorage(string Key, ScalarType DType, long Count);
