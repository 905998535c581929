using System.Diagnostics;
using System.Net;
using DetectionServer.Inference;

namespace FilterPruning.Samples.Tests.Server;

/// <summary>The program as it is started and stopped by an operating system.</summary>
[Collection(SharedServer.Name)]
public class ProcessTests(RealServer real)
{
    [Fact]
    public async Task A_terminated_server_answers_what_it_accepted_and_ends_well()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no SIGTERM.");
        const int requests = 4;
        using var server = Start("--urls=http://127.0.0.1:0", $"--Detection:QueueLength={requests}", $"--Detection:DenseModel={DetectorFactory.ShippedModel}", $"--Detection:PrunedModel={real.PrunedFile}");
        try
        {
            using var client = new HttpClient { BaseAddress = await Address(server) };
            while ((await client.GetAsync("health")).StatusCode != HttpStatusCode.OK)
                await Task.Delay(50);
            // Large pictures, so that most still wait when the signal comes.
            var picture = Pictures.Blank(2000, 1900);
            var answers = Enumerable.Range(0, requests).Select(_ => client.Send("detect", picture)).ToArray();
            while (!(await client.GetStringAsync("metrics")).Contains($"\ndetection_accepted_total {requests}\n", StringComparison.Ordinal))
                await Task.Delay(10);
            using (var kill = Process.Start("kill", ["-TERM", $"{server.Id}"]))
                await kill.WaitForExitAsync();
            Assert.All(await Task.WhenAll(answers), answer => Assert.Equal(HttpStatusCode.OK, answer.StatusCode));
            await server.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
            Assert.Equal(0, server.ExitCode);
        }
        finally
        {
            if (!server.HasExited)
                server.Kill();
        }
    }

    [Fact]
    public async Task A_setting_that_cannot_be_used_is_said_and_ends_with_2()
    {
        using var server = Start("--Detection:Workers=0");
        var error = await server.StandardError.ReadToEndAsync();
        await server.WaitForExitAsync();
        Assert.Equal(2, server.ExitCode);
        Assert.Contains("Workers is 0, allowed is 1 to 64", error, StringComparison.Ordinal);
        Assert.DoesNotContain(" at DetectionServer.", error, StringComparison.Ordinal);
    }

    private static Process Start(params string[] args) =>
        Process.Start(new ProcessStartInfo("dotnet", [typeof(DetectionServer.DetectionApp).Assembly.Location, .. args]) { RedirectStandardOutput = true, RedirectStandardError = true })!;

    private static async Task<Uri> Address(Process server)
    {
        const string before = "Now listening on: ";
        while (await server.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.IndexOf(before, StringComparison.Ordinal) is >= 0 and var at)
                return new Uri(line[(at + before.Length)..]);
        }

        throw new InvalidOperationException($"The server did not start: {await server.StandardError.ReadToEndAsync()}");
    }
}
