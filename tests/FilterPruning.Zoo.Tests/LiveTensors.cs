namespace FilterPruning.Zoo;

/// <summary>Counts live tensors for leak tests.</summary>
internal static class LiveTensors
{
    /// <summary>The number of live tensors once everything that other tests left to the finaliser is gone.</summary>
    public static long Settled()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Tensor.TotalCount;
    }
}
