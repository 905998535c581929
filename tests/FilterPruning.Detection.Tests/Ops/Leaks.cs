namespace FilterPruning.Detection.Tests.Ops;

/// <summary>Counts live tensors around a call.</summary>
internal static class Leaks
{
    /// <summary>Asserts that exactly <paramref name="expected"/> more tensors live after the call than before, and disposes them.</summary>
    public static void AssertNone(Action call, int expected)
    {
        using (NewDisposeScope())
            call(); // what the first call keeps for good does not count
        var before = LiveTensors.Settled();
        using var scope = NewDisposeScope();
        call();
        Assert.Equal(before + expected, Tensor.TotalCount);
    }
}
