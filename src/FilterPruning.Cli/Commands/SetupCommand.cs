using System.CommandLine;

namespace FilterPruning.Cli.Commands;

/// <summary><c>filter-pruning setup</c>: fetches libtorch.</summary>
internal static class SetupCommand
{
    public static Command Create()
    {
        var command = new Command("setup", $"Fetches libtorch {LibTorch.Version} into the NuGet package cache, once. Needed after installing the tool; a build from source brings it along.");
        command.SetAction(parsed => CommandLine.Guard(() =>
        {
            if (LibTorch.TryLoad())
            {
                Output.Note("libtorch is there already.");
                return ExitCode.Done;
            }

            return LibTorch.Fetch(Console.Error) == 0 && LibTorch.TryLoad() ? ExitCode.Done : ExitCode.Failed;
        }));
        return command;
    }
}
