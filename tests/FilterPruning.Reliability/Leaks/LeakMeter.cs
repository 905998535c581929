using System.Globalization;

namespace FilterPruning.Reliability.Leaks;

/// <summary>Watches the number of live tensors and the memory of this process while something is done again and again.</summary>
/// <param name="rounds">How often it is done.</param>
internal sealed class LeakMeter(int rounds)
{
    private const int Samples = 100;

    // What the first rounds keep for good (compiled code, pools of memory) is no leak.
    private readonly int _warmUp = rounds / 5;
    private readonly List<(int Round, double Bytes)> _memory = [];
    private long? _tensors;

    /// <summary>The first round after which there were more or fewer live tensors than before, and how many; null when there was none.</summary>
    public (int Round, long More)? Changed { get; private set; }

    /// <summary>Live tensors between two rounds.</summary>
    public long Tensors => _tensors ?? 0;

    /// <summary>To be called after each round, counted from 1.</summary>
    public void After(int round)
    {
        if (round < Math.Min(_warmUp, 3))
            return;
        if (_tensors is null)
            Settle(); // what making the model left behind
        // From here on not settled: whatever a round leaves to the finaliser counts as well.
        var tensors = Tensor.TotalCount;
        _tensors ??= tensors;
        if (tensors != _tensors && Changed is null)
            Changed = (round, tensors - _tensors.Value);
        if (round >= _warmUp && (round - _warmUp) % Math.Max(1, (rounds - _warmUp) / Samples) == 0)
        {
            Settle();
            _memory.Add((round, Resident()));
        }
    }

    /// <summary>Bytes by which the process grows in a round after the warm-up: the slope of the line through the samples by least squares.</summary>
    public double BytesPerRound()
    {
        if (_memory.Count < 2)
            return 0;
        var (x, y) = (_memory.Average(sample => sample.Round), _memory.Average(sample => sample.Bytes));
        return _memory.Sum(sample => (sample.Round - x) * (sample.Bytes - y)) / _memory.Sum(sample => (sample.Round - x) * (sample.Round - x));
    }

    /// <summary>The first and the last sample of the memory, in MB.</summary>
    public string Memory => _memory.Count == 0 ? "not sampled" : string.Create(CultureInfo.InvariantCulture, $"{_memory[0].Bytes / 1e6:0.0} → {_memory[^1].Bytes / 1e6:0.0} MB");

    private static void Settle()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    /// <summary>The process's resident memory.</summary>
    private static double Resident()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
