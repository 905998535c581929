using System.Text.Json.Nodes;

namespace FilterPruning.Cli.Tests;

/// <summary>What a run of the tool gave.</summary>
internal sealed record ToolResult(int ExitCode, string Output, string Error)
{
    /// <summary>Standard output as one JSON object; fails when anything else is on it.</summary>
    public JsonObject Json => JsonNode.Parse(Output)!.AsObject();
}

/// <summary>Runs the tool in this process, with standard output and error captured.</summary>
internal static class Tool
{
    public static async Task<ToolResult> RunAsync(params string[] args)
    {
        var (output, error) = (Console.Out, Console.Error);
        using var capturedOutput = new StringWriter();
        using var capturedError = new StringWriter();
        Console.SetOut(capturedOutput);
        Console.SetError(capturedError);
        try
        {
            var code = await CommandLine.RunAsync(args);
            return new ToolResult(code, capturedOutput.ToString(), capturedError.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
        }
    }
}

/// <summary>A folder that goes away with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("filter-pruning-tests-");

    public string this[string name] => Path.Combine(_folder.FullName, name);

    public string Root => _folder.FullName;

    public void Dispose() => _folder.Delete(recursive: true);
}
