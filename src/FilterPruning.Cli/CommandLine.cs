using System.CommandLine;
using FilterPruning.Cli.Commands;
using FilterPruning.Detection.Training;
using FilterPruning.Storage;
using Spectre.Console;

namespace FilterPruning.Cli;

/// <summary>The tool's commands, and how their errors become messages and exit codes.</summary>
internal static class CommandLine
{
    /// <summary>How long Ctrl-C waits for a step that cannot be left in the middle, such as the proof of a cut, before the process ends all the same.</summary>
    private static readonly TimeSpan TimeToCleanUp = TimeSpan.FromSeconds(30);

    public static RootCommand Build()
    {
        var root = new RootCommand(
            "Makes trained Mask R-CNN models physically smaller and faster, proves that the small model equals the large one, and repairs it without labels.")
        {
            InspectCommand.Create(),
            PruneCommand.Create(),
            EvalCommand.Create(),
            DetectCommand.Create(),
            ExportCommand.Create(),
            TrainCommand.Create(),
            FineTuneCommand.Create(),
            ScanCommand.Create(),
            ReadingsCommand.Create(),
            StudyCommand.Create(),
            ReportCommand.Create(),
            DemoCommand.Create(),
            SetupCommand.Create(),
        };
        return root;
    }

    public static async Task<int> RunAsync(string[] args)
    {
        var parsed = Build().Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors)
                Console.Error.WriteLine(error.Message);
            Console.Error.WriteLine($"Run 'filter-pruning {parsed.CommandResult.Command.Name} --help' for the options.");
            return ExitCode.BadInput;
        }

        return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = TimeToCleanUp });
    }

    /// <summary>Makes a command run <paramref name="work"/>: finds libtorch, reports errors on standard error, returns the exit code.</summary>
    public static void Runs(this Command command, Func<ParseResult, CancellationToken, int> work) =>
        // On a thread of its own: Ctrl-C is listened to only once this has returned.
        command.SetAction((parsed, cancellation) => Task.Run(
            () => Guard(() =>
            {
                if (LibTorch.TryLoad())
                    return work(parsed, cancellation);
                Console.Error.WriteLine(LibTorch.HowToGetIt());
                return ExitCode.Failed;
            }),
            CancellationToken.None));

    // What was given is in order, but the disk is full, the result's folder went away, or a training fell apart.
    private static bool IsFailureOfWork(Exception error) =>
        error is ModelFileException { Kind: ModelFileErrorKind.WriteFailed } or TrainingDivergedException
            or (IOException and not (FileNotFoundException or DirectoryNotFoundException or PathTooLongException or EndOfStreamException));

    /// <summary>Turns errors into messages and exit codes.</summary>
    internal static int Guard(Func<int> work)
    {
        try
        {
            return work();
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("Cancelled.");
            return ExitCode.Cancelled;
        }
        catch (Exception error) when (IsFailureOfWork(error))
        {
            Output.Error(error.Message);
            return ExitCode.Failed;
        }
        catch (Exception error) when (error is ArgumentException or PruningException)
        {
            Output.Error(error.Message);
            return ExitCode.BadInput;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Output.Error(error.Message);
            return ExitCode.BadInput;
        }
        catch (Exception error)
        {
            Output.Error($"{error.GetType().Name}: {error.Message}");
            if (Environment.GetEnvironmentVariable("FILTERPRUNING_TRACE") == "1")
                Console.Error.WriteLine(error.StackTrace);
            else
                Console.Error.WriteLine("Set FILTERPRUNING_TRACE=1 to see where.");
            return ExitCode.Failed;
        }
    }
}
