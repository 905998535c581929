namespace FilterPruning;

/// <summary>The event ids of what <see cref="Pruner"/> logs. Ids and the names of the values in their messages stay the same between versions.</summary>
public static class PruningEvents
{
    /// <summary>Information: the model was traced. Values <c>Layers</c>, <c>Groups</c>, <c>Pinned</c>.</summary>
    public const int Traced = 1001;

    /// <summary>Information: a plan was made. Values <c>Removed</c>, <c>Groups</c>, <c>Before</c>, <c>After</c> (parameters).</summary>
    public const int Planned = 1002;

    /// <summary>Debug: a layer keeps its channels. Values <c>Layer</c>, <c>Channels</c>, <c>Reason</c>.</summary>
    public const int LayerKept = 1003;

    /// <summary>Information: the model was cut and proved. Value <c>Error</c>.</summary>
    public const int Cut = 1004;

    /// <summary>Warning: a layer was proved alone, because no forward reached it with data. Value <c>Layer</c>.</summary>
    public const int NotExercised = 1005;

    /// <summary>Information: the call was cancelled and the model is as it was. Value <c>Stage</c>.</summary>
    public const int Cancelled = 1006;

    /// <summary>Error: the call failed and the model is as it was. Values <c>Stage</c>, <c>Problem</c>.</summary>
    public const int Failed = 1007;

    /// <summary>Information: done. Values <c>Before</c>, <c>After</c> (parameters), <c>Milliseconds</c>.</summary>
    public const int Done = 1008;

    /// <summary>Warning: no forward called a layer, so nothing is known about what it reads. Value <c>Layer</c>.</summary>
    public const int NotCalled = 1009;
}
