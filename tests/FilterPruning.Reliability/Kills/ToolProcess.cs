using System.Diagnostics;

namespace FilterPruning.Reliability.Kills;

/// <summary>How a run of the tool ended.</summary>
/// <param name="ExitCode">Null for a killed one.</param>
/// <param name="Errors">What it said on standard error.</param>
/// <param name="Seconds">How long it ran.</param>
internal sealed record ToolEnd(int? ExitCode, string Errors, double Seconds)
{
    public bool Killed => ExitCode is null;
}

/// <summary>Runs the tool as a process of its own, which can be killed with SIGKILL: the process gets no chance to do anything about it.</summary>
internal static class ToolProcess
{
    private const int TimeoutSeconds = 300;

    /// <summary>The tool beside this program.</summary>
    public static string Assembly => Path.Combine(AppContext.BaseDirectory, "filter-pruning.dll");

    /// <summary>The trained checkpoint beside this program.</summary>
    public static string Sample => Path.Combine(AppContext.BaseDirectory, "checkpoints", "shapescenes.safetensors");

    /// <summary>Runs it to its end.</summary>
    public static ToolEnd Run(string temporary, IEnumerable<string> arguments) => Run(temporary, arguments, static (_, exited) => exited.WaitHandle.WaitOne());

    /// <summary>Runs it and kills it, unless it has ended by then.</summary>
    /// <param name="temporary">Its folder for temporary files.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="wait">Waits for the moment of the kill; is told the process, and when that has ended by itself.</param>
    public static ToolEnd Run(string temporary, IEnumerable<string> arguments, Action<Process, CancellationToken> wait)
    {
        Directory.CreateDirectory(temporary);
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", [Assembly, .. arguments]) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var (name, value) in new[] { ("OMP_NUM_THREADS", "1"), ("OMP_WAIT_POLICY", "PASSIVE"), ("TMPDIR", temporary), ("DOTNET_EnableDiagnostics", "0"), ("DOTNET_TieredPGO", "0") })
            start.Environment[name] = value;
        var clock = Stopwatch.StartNew();
        using var process = Process.Start(start)!;
        using var exited = new CancellationTokenSource();
        process.EnableRaisingEvents = true;
        process.Exited += (_, _) => Cancel(exited);
        if (process.HasExited)
            Cancel(exited);
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        exited.CancelAfter(TimeSpan.FromSeconds(TimeoutSeconds));
        wait(process, exited.Token);
        process.Kill();
        process.WaitForExit();
        output.Wait();
        // 128 + SIGKILL is what .NET reports for a killed process on Unix.
        return new ToolEnd(process.ExitCode is 137 or -1 ? null : process.ExitCode, errors.Result, clock.Elapsed.TotalSeconds);
    }

    private static void Cancel(CancellationTokenSource source)
    {
        try
        {
            source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended after nobody waited any more.
        }
    }
}
