using System.Diagnostics;

namespace FilterPruning.Fuzz.Engine;

/// <summary>
/// Gives a reader changed inputs, one after the other, in this process. With coverage it keeps those that go new ways and changes them further; without, it changes the seeds.
/// A run is a function of target, seed and inputs; only how far it comes in a given time is not.
/// </summary>
internal sealed class Fuzzer
{
    private const int MaximumFindings = 20;

    private readonly ReaderTarget _target;
    private readonly ICoverage? _coverage;
    private readonly Action<byte[]>? _aboutToRead;
    private readonly Mutator _mutator;
    private readonly FuzzRandom _random;
    private readonly List<byte[]> _corpus = [];
    private readonly Dictionary<string, Finding> _findings = new(StringComparer.Ordinal);
    private long _inputs, _accepted, _mostBytes;
    private double _slowest;

    /// <param name="target">The reader.</param>
    /// <param name="seed">Two runs with one seed do the same.</param>
    /// <param name="coverage">Null to change the seeds only.</param>
    /// <param name="aboutToRead">Sees each input before the reader does: what is lost with the process can be found there.</param>
    public Fuzzer(ReaderTarget target, ulong seed, ICoverage? coverage = null, Action<byte[]>? aboutToRead = null)
    {
        (_target, _coverage, _aboutToRead) = (target, coverage, aboutToRead);
        _random = new FuzzRandom(seed);
        _mutator = new Mutator(_random, target.Words, target.MaximumLength);
    }

    /// <summary>Runs the seeds, then changed ones.</summary>
    /// <param name="more">Seeds beside the target's own.</param>
    /// <param name="inputs">How many inputs.</param>
    /// <param name="goesOn">Asked once in a while; null for as long as there are inputs left.</param>
    public FuzzResult Run(IEnumerable<byte[]> more, long inputs, Func<bool>? goesOn = null)
    {
        var watch = Stopwatch.StartNew();
        foreach (var seed in _target.Seeds().Concat(more))
        {
            Try(seed); // once for whatever happens only the first time
            Try(seed);
            _corpus.Add(seed);
        }

        while (_inputs < inputs && _findings.Count < MaximumFindings && ((_inputs & 255) != 0 || goesOn?.Invoke() != false))
        {
            // Random bytes alone, repaired, or a change along the structure alone.
            var input = Choose();
            var way = _random.Below(3);
            if (way != 0)
                input = _mutator.Mutate(input, _random.Pick(_corpus));
            if (way != 1 && _target.Repair(input, _mutator) is { } repaired && repaired.Length <= 2 * _target.MaximumLength)
                input = repaired; // a tree may grow by a copy of itself
            if (Try(input))
                _corpus.Add(input);
        }

        return new FuzzResult
        {
            Reader = _target.Name,
            Inputs = _inputs,
            Accepted = _accepted,
            Corpus = _corpus,
            Edges = _coverage?.Edges ?? 0,
            Seconds = watch.Elapsed.TotalSeconds,
            Slowest = _slowest,
            MostBytes = _mostBytes,
            Findings = [.. _findings.Values],
        };
    }

    // New inputs lead further than old ones: half of the time one of the last sixteenth.
    private byte[] Choose()
    {
        var recent = Math.Max(1, _corpus.Count / 16);
        return _random.OneIn(2) ? _corpus[_corpus.Count - 1 - _random.Below(recent)] : _random.Pick(_corpus);
    }

    /// <summary>Gives the reader one input.</summary>
    /// <returns>Whether it went a new way.</returns>
    private bool Try(byte[] input)
    {
        _inputs++;
        _aboutToRead?.Invoke(input);
        _coverage?.Begin();
        var (error, bytes, milliseconds) = Read(input);
        var isNew = _coverage?.End() ?? false;
        if (error is null)
            _accepted++;
        if (Judge(input, error, bytes, milliseconds) is { } what)
            _findings.TryAdd(what.Kind, new Finding(_target.Name, what.Text, input));
        return isNew && input.Length > 0;
    }

    private (string Kind, string Text)? Judge(byte[] input, Exception? error, long bytes, double milliseconds)
    {
        if (error is not null && !_target.Allows(error))
            return ($"{error.GetType().Name} {Place(error)}", $"It throws {error.GetType().Name}: {error.Message} {Place(error)}");
        if (error is PruningException && error.Message.Any(character => char.IsControl(character) && character is not ('\n' or '\t')))
            return ("message", "Its message has control characters.");
        var allowed = _target.FreeBytes + (long)(_target.BytesPerByte * input.Length);
        if (bytes > allowed && (bytes = Math.Min(bytes, Read(input).Bytes)) > allowed)
            return ("allocation", $"It allocates {bytes} bytes for {input.Length}; allowed are {allowed}.");
        _mostBytes = Math.Max(_mostBytes, bytes);
        for (var again = 0; again < 3 && milliseconds > _target.Milliseconds; again++)
            milliseconds = Math.Min(milliseconds, Read(input).Milliseconds); // something else may have had the machine
        if (milliseconds > _target.Milliseconds)
            return ("time", $"It takes {milliseconds:0} ms for {input.Length} bytes.");
        _slowest = Math.Max(_slowest, milliseconds);
        return null;
    }

    private (Exception? Error, long Bytes, double Milliseconds) Read(byte[] input)
    {
        Exception? error = null;
        long native = 0;
        var start = Stopwatch.GetTimestamp();
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            native = _target.Read(input);
        }
        catch (Exception thrown) when (thrown is not OutOfMemoryException and not InsufficientExecutionStackException)
        {
            error = thrown;
        }
        catch (Exception thrown)
        {
            error = new InvalidOperationException("out of memory or stack", thrown);
        }

        var bytes = GC.GetAllocatedBytesForCurrentThread() - before + native;
        return (error, bytes, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    // The frame nearest to the error that is ours tells findings apart.
    private static string Place(Exception error) =>
        (error.StackTrace ?? "").Split('\n').FirstOrDefault(line => line.Contains("FilterPruning.", StringComparison.Ordinal))?.Trim() ?? "";
}
