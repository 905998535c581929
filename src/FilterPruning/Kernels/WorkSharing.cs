namespace FilterPruning.Kernels;

/// <summary>
/// Runs the parts of a short piece of work on several threads without allocating: the caller and helpers from the thread pool take part after part until none is left.
/// A helper that comes too late finds nothing to do and costs nothing; nobody waits for it.
/// </summary>
/// <remarks>One call at a time has the helpers; a second one at the same moment works alone. Parts must not throw, nor write to the same memory.</remarks>
internal static unsafe class WorkSharing
{
    private static readonly Helper[] _helpers = [.. Enumerable.Range(0, Math.Min(64, Environment.ProcessorCount) - 1).Select(_ => new Helper())];
    private static int _taken;

    private static delegate*<int, void*, void> _part;
    private static void* _state;
    private static int _parts;
    private static int _next;

    /// <summary>Runs <paramref name="part"/> for 0 … <paramref name="parts"/> − 1 on at most <paramref name="threads"/> threads, and returns when all are done.</summary>
    public static void Run(int parts, int threads, delegate*<int, void*, void> part, void* state)
    {
        var helpers = Math.Min(Math.Min(threads, parts) - 1, _helpers.Length);
        if (helpers <= 0 || Interlocked.CompareExchange(ref _taken, 1, 0) != 0)
        {
            for (var i = 0; i < parts; i++)
                part(i, state);
            return;
        }

        _part = part;
        _state = state;
        (_parts, _next) = (parts, 0);
        for (var i = 0; i < helpers; i++)
            _helpers[i].Call();
        TakeParts();
        for (var i = 0; i < helpers; i++)
            _helpers[i].Dismiss();
        Volatile.Write(ref _taken, 0);
    }

    private static void TakeParts()
    {
        for (int i; (i = Interlocked.Increment(ref _next) - 1) < _parts;)
            _part(i, _state);
    }

    /// <summary>One entry in the thread pool's queue, used again and again.</summary>
    private sealed class Helper : IThreadPoolWorkItem
    {
        private const int Idle = 0, Called = 1, Working = 2, Dismissed = 3;  // dismissed: no longer needed, but still in the queue
        private int _state;

        public void Call()
        {
            if (Interlocked.CompareExchange(ref _state, Called, Dismissed) == Dismissed)
                return;  // it is in the queue already
            Volatile.Write(ref _state, Called);
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }

        public void Dismiss()
        {
            if (Interlocked.CompareExchange(ref _state, Dismissed, Called) == Called)
                return;
            var wait = default(SpinWait);
            while (Volatile.Read(ref _state) == Working)
                wait.SpinOnce(sleep1Threshold: -1);
        }

        public void Execute()
        {
            // Called and dismissed may change places until one of the exchanges holds.
            while (true)
            {
                if (Interlocked.CompareExchange(ref _state, Working, Called) == Called)
                {
                    TakeParts();
                    Volatile.Write(ref _state, Idle);
                    return;
                }

                if (Interlocked.CompareExchange(ref _state, Idle, Dismissed) == Dismissed)
                    return;
            }
        }
    }
}
