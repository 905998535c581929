namespace FilterPruning.Inference;

/// <summary>Which tensor object stood somewhere, where its values lay and how often they had been changed: enough to see whether something computed from it still holds.</summary>
internal readonly struct TensorStamp(Tensor? tensor)
{
    private readonly nint _address = tensor is null ? 0 : OneDnn.AddressOf(tensor);
    private readonly long _version = tensor is null ? 0 : OneDnn.VersionOf(tensor);

    /// <summary>Whether a tensor is the stamped one with the same values.</summary>
    public bool Fits(Tensor? now) =>
        ReferenceEquals(tensor, now) && (now is null || (OneDnn.AddressOf(now) == _address && OneDnn.VersionOf(now) == _version));
}
