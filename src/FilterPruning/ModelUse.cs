using System.Runtime.CompilerServices;

namespace FilterPruning;

/// <summary>
/// Notices a model that is changed while it answers. Any number of threads may run a model at once; whatever hooks it, cuts it or exchanges its weights needs it alone. Who breaks that gets an
/// <see cref="InvalidOperationException"/> instead of wrong answers or a crash in native code.
/// </summary>
/// <remarks>
/// <para>Tracing, cuts, their undo, repairs, the folding of norms and trainings announce themselves by <see cref="Change"/>; the detector of the Detection package announces its detections by <see cref="Run"/>. A forward of
/// another model is noticed if its code calls <see cref="Run"/>. It notices, it does not wait: a lock would hide that two parts of a program disagree about who owns the model.</para>
/// <para>What runs inside a change (the proof's forwards, an evaluation between two epochs) belongs to it, also on threads and tasks that it starts. Costs two interlocked additions and a lookup a run. Thread-safe; holds no model alive.</para>
/// </remarks>
public static class ModelUse
{
    private static readonly ConditionalWeakTable<nn.Module, Gate> _gates = [];
    private static readonly AsyncLocal<Alone?> _current = new();

    /// <summary>Announces a forward. Dispose the result when it has ended, exactly once.</summary>
    /// <param name="model">The model that runs. A change of any module that contains it, or of itself, is then refused.</param>
    /// <exception cref="InvalidOperationException">The model is being changed on another thread.</exception>
    public static IDisposable Run(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var gate = GateOf(model);
        // First counted, then looked: of a run and a change that begin at once, at least one sees the other.
        Interlocked.Increment(ref gate.Running);
        if (Volatile.Read(ref gate.Owner) is not { } owner || IsMine(owner))
            return gate;
        Interlocked.Decrement(ref gate.Running);
        throw new InvalidOperationException($"The model cannot run now: it is being changed on another thread ({owner.What}). Wait until that has ended, or run a copy of the model.");
    }

    /// <summary>Announces that a model is about to be changed, or hooked, and must not run elsewhere. Dispose the result when that is done.</summary>
    /// <param name="model">The model; its modules belong to it.</param>
    /// <param name="what">What is done, for messages: "a cut".</param>
    /// <exception cref="InvalidOperationException">The model runs, or is being changed, on another thread. Nothing has changed.</exception>
    public static IDisposable Change(nn.Module model, string what)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(what);
        var change = new Alone(what, _current.Value);
        try
        {
            change.Take(GateOf(model));
            foreach (var module in model.modules())
                change.Take(GateOf(module));
        }
        catch
        {
            change.LetGo();
            throw;
        }

        return _current.Value = change;
    }

    private static Gate GateOf(nn.Module model) => _gates.GetValue(model, static _ => new Gate());

    private static bool IsMine(Alone owner)
    {
        for (var change = _current.Value; change is not null; change = change.Outer)
        {
            if (ReferenceEquals(change, owner))
                return true;
        }

        return false;
    }

    /// <summary>Who is at a module.</summary>
    private sealed class Gate : IDisposable
    {
        public int Running;
        public Alone? Owner;

        public void Dispose() => Interlocked.Decrement(ref Running);
    }

    /// <summary>A change that goes on.</summary>
    private sealed class Alone(string what, Alone? outer) : IDisposable
    {
        private readonly List<Gate> _taken = [];

        public string What => what;

        public Alone? Outer => outer;

        public void Take(Gate gate)
        {
            var owner = Interlocked.CompareExchange(ref gate.Owner, this, null);
            if (owner is not null && (ReferenceEquals(owner, this) || IsMine(owner)))
                return;
            if (owner is not null)
                throw new InvalidOperationException($"{Capital(what)} cannot begin: {owner.What} of the same model is going on on another thread. Wait until that has ended, or work on a copy of the model.");
            _taken.Add(gate);
            if (Volatile.Read(ref gate.Running) is > 0 and var running)
                throw new InvalidOperationException($"{Capital(what)} cannot begin: the model is running on {(running == 1 ? "another thread" : $"{running} other threads")}. Wait until the runs have ended, or work on a copy of the model.");
        }

        public void LetGo()
        {
            foreach (var gate in _taken)
                Volatile.Write(ref gate.Owner, null);
            _taken.Clear();
        }

        public void Dispose()
        {
            LetGo();
            if (ReferenceEquals(_current.Value, this))
                _current.Value = outer;
        }

        private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];
    }
}
