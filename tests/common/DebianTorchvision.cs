using System.Diagnostics;

namespace FilterPruning.Tests.Shared;

/// <summary>Runs Python with the system's PyTorch and torchvision (Debian: python3-torchvision). Tests that need it are skipped where it is missing.</summary>
internal static class DebianTorchvision
{
    private const string Interpreter = "/usr/bin/python3";
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(4);
    private static readonly Lazy<string?> _missing = new(WhyMissing);

    /// <summary>Skips the running test where torchvision is not at hand.</summary>
    public static void SkipWhenMissing() => Assert.SkipWhen(_missing.Value is not null, _missing.Value ?? "");

    /// <summary>Runs a script that must succeed; gives its standard output. Skips the running test where torchvision is not at hand.</summary>
    public static string Run(string script, params string[] arguments)
    {
        SkipWhenMissing();
        var (code, output, error) = Start([script, .. arguments]);
        Assert.True(code == 0, $"python3 {Path.GetFileName(script)} ended with {code}: {error}");
        return output;
    }

    /// <summary>Runs a script that must fail; gives what it said on standard error.</summary>
    public static string RunToFailure(string script, params string[] arguments)
    {
        SkipWhenMissing();
        var (code, _, error) = Start([script, .. arguments]);
        Assert.NotEqual(0, code);
        return error;
    }

    // Only asks whether the packages are there: importing them takes seconds.
    private static string? WhyMissing()
    {
        if (!File.Exists(Interpreter))
            return $"There is no {Interpreter}.";
        var (code, _, _) = Start(["-c", "import importlib.util, sys; sys.exit(not all(importlib.util.find_spec(name) for name in ('torch', 'torchvision', 'numpy')))"]);
        return code == 0 ? null : $"{Interpreter} has no torchvision (Debian: apt-get install python3-torchvision).";
    }

    private static (int Code, string Output, string Error) Start(string[] arguments)
    {
        var start = new ProcessStartInfo(Interpreter, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OMP_NUM_THREADS"] = "2";
        start.Environment["OMP_WAIT_POLICY"] = "PASSIVE";
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(_patience))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"python3 {arguments[0]} did not end within {_patience.TotalMinutes} minutes.");
        }

        return (process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }
}
