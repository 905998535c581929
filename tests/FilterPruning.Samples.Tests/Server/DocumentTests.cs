using System.Diagnostics;

namespace FilterPruning.Samples.Tests.Server;

/// <summary>The calls in docs/server.md, run as they stand there.</summary>
[Collection(SharedServer.Name)]
public class DocumentTests(RealServer real)
{
    [Fact]
    public async Task The_calls_of_the_document_are_answered()
    {
        Assert.SkipWhen(!File.Exists("/bin/bash") || !File.Exists("/usr/bin/curl"), "There is no bash, or no curl.");
        var text = await File.ReadAllTextAsync(Path.Combine(Root(), "docs", "server.md"));
        var block = text.Split("<!-- calls -->\n```bash\n")[1].Split("\n```")[0];
        var calls = block.Replace("http://127.0.0.1:5080", real.Server.Address.ToString().TrimEnd('/')).Split('\n');
        Assert.All(calls, call => Assert.StartsWith("curl ", call));
        var folder = Directory.CreateTempSubdirectory("filter-pruning-calls-");
        try
        {
            await File.WriteAllBytesAsync(Path.Combine(folder.FullName, "photo.png"), Pictures.Scene());
            var script = "set -e\n" + string.Join('\n', calls.Select(call => call.Replace("curl ", "curl --fail --silent --show-error --max-time 60 ", StringComparison.Ordinal)));
            using var bash = Process.Start(new ProcessStartInfo("/bin/bash", ["-c", script]) { WorkingDirectory = folder.FullName, RedirectStandardError = true, RedirectStandardOutput = true })!;
            var output = bash.StandardOutput.ReadToEndAsync();
            Assert.Equal("", await bash.StandardError.ReadToEndAsync());
            await bash.WaitForExitAsync();
            Assert.Equal(0, bash.ExitCode);
            Assert.Contains("\"dense\":{", await output, StringComparison.Ordinal);
            Assert.True(new FileInfo(Path.Combine(folder.FullName, "found.png")).Length > 1000);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Every_setting_stands_in_the_document()
    {
        var text = await File.ReadAllTextAsync(Path.Combine(Root(), "docs", "server.md"));
        Assert.All(typeof(DetectionServer.ServerOptions).GetProperties().Where(property => property.CanWrite), property => Assert.Contains($"`{property.Name}`", text, StringComparison.Ordinal));
    }

    private static string Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "FilterPruning.sln")))
                return folder.FullName;
        }

        throw new InvalidOperationException($"No FilterPruning.sln above {AppContext.BaseDirectory}: these tests run from a checkout.");
    }
}
