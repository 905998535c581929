namespace FilterPruning.Zoo;

/// <summary>A model of the zoo for which something does not hold that must hold for any model.</summary>
public sealed class ZooFailureException : Exception
{
    /// <inheritdoc/>
    public ZooFailureException(string message)
        : base(message)
    {
    }

    /// <inheritdoc/>
    public ZooFailureException(string message, Exception inner)
        : base(message, inner)
    {
    }

    /// <summary>Fails with a message unless something holds.</summary>
    public static void Unless(bool holds, string otherwise)
    {
        if (!holds) throw new ZooFailureException(otherwise);
    }
}
