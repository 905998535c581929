namespace FilterPruning.Cli;

/// <summary>Progress that is told on the thread that reports it, in order; <see cref="Progress{T}"/> posts to a pool.</summary>
internal sealed class Immediate<T>(Action<T> tell) : IProgress<T>
{
    public void Report(T value) => tell(value);
}
