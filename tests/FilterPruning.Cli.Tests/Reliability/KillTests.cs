using FilterPruning.Reliability.Kills;

namespace FilterPruning.Cli.Tests.Reliability;

/// <summary>The short version of <c>./build.sh reliability kills</c>.</summary>
public class KillTests
{
    [Theory]
    [InlineData("train", 3)]
    [InlineData("prune", 1)]
    public void A_command_that_is_killed_and_started_again_ends_as_if_nobody_had(string command, int kills)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no SIGKILL.");
        var said = new List<string>();
        Assert.True(KillRun.Run(kills, seed: 3, [command], said.Add), string.Join(Environment.NewLine, said));
        Assert.Contains(said, line => line.Contains($"| {kills} kills |", StringComparison.Ordinal));
    }
}
