using System.Globalization;
using Spectre.Console;

namespace FilterPruning.Benchmarks.Goals;

/// <summary>
/// Runs the suites and shows what was reached: <c>goals [NAME…] [--quick] [--cores 0,1] [--out FILE]</c>. Names are suites' names; none means all.
/// With <c>--out</c> the figures go to that summary, where they replace those of the same suites.
/// </summary>
internal static class GoalRunner
{
    /// <summary>0 when all suites ran (whether or not they reached their goals), 1 when one failed, 2 when the command line is wrong.</summary>
    public static int Run(IReadOnlyList<string> arguments)
    {
        var suites = Suites();
        if (!TryParse(arguments, suites, out var chosen, out var quick, out var cores, out var output))
            return 2;

        if (cores.Count > 0)
            Cores.Pin(cores);
        var context = new GoalContext
        {
            DataFolder = Environment.GetEnvironmentVariable("FILTERPRUNING_DATA"),
            Quick = quick,
            Say = line => Console.Error.WriteLine($"  {line}"),
        };

        var (entries, failed) = Measure(chosen, context);
        Show(entries);
        if (output is not null)
        {
            string[] measured = [.. chosen.Select(suite => suite.Name).Except(failed)];
            GoalSummary.Write(output, GoalSummary.Merge(GoalSummary.Read(output), measured, entries));
        }

        return failed.Count == 0 ? 0 : 1;
    }

    /// <summary>A suite that throws is reported and leaves no figure; the others still run.</summary>
    private static (IReadOnlyList<GoalEntry> Entries, IReadOnlyCollection<string> Failed) Measure(IEnumerable<IGoalSuite> suites, GoalContext context)
    {
        var entries = new List<GoalEntry>();
        var failed = new List<string>();
        foreach (var suite in suites)
        {
            Console.Error.WriteLine($"== {suite.Name}");
            var threads = get_num_threads();
            var count = entries.Count;
            try
            {
                using var scope = NewDisposeScope();
                foreach (var figure in suite.Measure(context))
                {
                    context.Say(string.Create(CultureInfo.InvariantCulture, $"{figure.Name} = {figure.Value:G4} {figure.Unit} (goal {(figure.AtLeast ? "≥" : "≤")} {figure.Goal:G4})"));
                    entries.Add(GoalEntry.Of(figure, suite.Name, context.Quick));
                }
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                Console.Error.WriteLine($"{suite.Name} failed: {exception}");
                entries.RemoveRange(count, entries.Count - count);
                failed.Add(suite.Name);
            }
            finally
            {
                set_num_threads(threads);
            }
        }

        return (entries, failed);
    }

    private static void Show(IReadOnlyList<GoalEntry> entries)
    {
        var table = new Table().Border(TableBorder.Rounded);
        table.AddColumns("figure", "value", "goal", "", "note");
        table.Columns[1].RightAligned();
        table.Columns[2].RightAligned();
        foreach (var figure in entries.Select(entry => entry.Figure))
        {
            table.AddRow(
                new Markup(Markup.Escape(figure.Name)),
                new Markup(string.Create(CultureInfo.InvariantCulture, $"{figure.Value:G4} {Markup.Escape(figure.Unit)}")),
                new Markup(string.Create(CultureInfo.InvariantCulture, $"{(figure.AtLeast ? "≥" : "≤")} {figure.Goal:G4}")),
                new Markup(figure.Reached ? "[green]reached[/]" : "[red]not reached[/]"),
                new Markup(Markup.Escape(figure.Note)));
        }

        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = 200;
        AnsiConsole.Write(table);
        AnsiConsole.WriteLine($"{entries.Count(entry => entry.Figure.Reached)} of {entries.Count} reached. {Surroundings.Machine}; {Surroundings.Threads}; {Surroundings.Versions}");
    }

    private static IReadOnlyList<IGoalSuite> Suites() =>
        [.. typeof(GoalRunner).Assembly.GetTypes().Where(type => type is { IsClass: true, IsAbstract: false } && type.IsAssignableTo(typeof(IGoalSuite)))
            .Select(type => (IGoalSuite)Activator.CreateInstance(type)!).OrderBy(suite => suite.Name, StringComparer.Ordinal)];

    private static bool TryParse(
        IReadOnlyList<string> arguments, IReadOnlyList<IGoalSuite> suites, out IReadOnlyList<IGoalSuite> chosen, out bool quick, out IReadOnlyList<int> cores, out string? output)
    {
        var names = new List<string>();
        (quick, cores, output) = (false, [], null);
        chosen = suites;
        for (var i = 0; i < arguments.Count; i++)
        {
            switch (arguments[i])
            {
                case "--quick":
                    quick = true;
                    break;
                case "--out" when i + 1 < arguments.Count:
                    output = arguments[++i];
                    break;
                case "--cores" when i + 1 < arguments.Count && arguments[i + 1].Split(',').All(core => int.TryParse(core, CultureInfo.InvariantCulture, out _)):
                    cores = [.. arguments[++i].Split(',').Select(core => int.Parse(core, CultureInfo.InvariantCulture))];
                    break;
                case var name when suites.Any(suite => suite.Name == name):
                    names.Add(name);
                    break;
                case var other:
                    Console.Error.WriteLine($"goals: '{other}' is neither an option (--quick, --cores LIST, --out FILE) nor a suite ({string.Join(", ", suites.Select(suite => suite.Name))}).");
                    return false;
            }
        }

        if (names.Count > 0)
            chosen = [.. suites.Where(suite => names.Contains(suite.Name))];
        return true;
    }
}
