namespace FilterPruning.Graph;

/// <summary>Why a channel group must stay.</summary>
public enum PinReason
{
    /// <summary>The channel comes from outside the model.</summary>
    ModelInput,

    /// <summary>The channel reaches a value that the model returns.</summary>
    ModelOutput,

    /// <summary>The channel feeds nothing that a derivative passes through (an argmax, a box decoder): removing it would change results unseen.</summary>
    FeedsNothingTraceable,

    /// <summary>The channel cannot be told apart from others in something it feeds.</summary>
    Mixed,

    /// <summary>No trial showed what the channel feeds.</summary>
    NotObserved,

    /// <summary>The user asked for the layer to stay.</summary>
    Ignored,

    /// <summary>The group holds every channel of one side of a layer; without it the layer would be empty.</summary>
    WholeLayer,

    /// <summary>The model's own code depends on the number of these channels: a reshape or a slice with a number written down.</summary>
    FixedByCode,
}

/// <summary>The reason a group must stay, with its evidence.</summary>
/// <param name="Reason">The kind of reason.</param>
/// <param name="Layer">The path of the layer where it was found.</param>
/// <param name="Evidence">A sentence that names the layer call, the consumer and the effect.</param>
public sealed record Pin(PinReason Reason, string Layer, string Evidence);
