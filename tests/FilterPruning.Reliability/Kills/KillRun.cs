using System.Globalization;

namespace FilterPruning.Reliability.Kills;

/// <summary>Kills commands at random moments, starts them again until they are done, and compares with runs that nobody broke.</summary>
internal static class KillRun
{
    private const int MostStarts = 60;

    private sealed class Tally
    {
        public int Kills { get; set; }

        public int AtWrites { get; set; }

        public int Runs { get; set; }

        public int Leftovers { get; set; }

        public double Seconds { get; set; }
    }

    /// <summary>Kills so many times in all, kind after kind.</summary>
    /// <param name="kills">How often.</param>
    /// <param name="seed">Of the moments.</param>
    /// <param name="only">Names of commands; empty for all.</param>
    /// <param name="tell">Gets a line now and then.</param>
    /// <returns>Whether every run ended as the unbroken one and nothing committed was lost.</returns>
    public static bool Run(int kills, int seed, IReadOnlyList<string> only, Action<string> tell)
    {
        var root = Directory.CreateTempSubdirectory("filter-pruning-kills-").FullName;
        try
        {
            var random = new Random(seed);
            var cases = Cases(root, only);
            var tallies = cases.ToDictionary(entry => entry.Name, _ => new Tally());
            var references = cases.ToDictionary(entry => entry.Name, entry => Unbroken(entry, root, tell));
            var failures = new List<string>();
            for (var done = 0; done < kills;)
            {
                foreach (var entry in cases)
                {
                    if (done >= kills)
                        break;
                    var tally = tallies[entry.Name];
                    var before = tally.Kills;
                    if (Broken(entry, references[entry.Name], Path.Combine(root, "broken"), random, kills - done, tally) is { } failure)
                        failures.Add($"{entry.Name}: {failure}");
                    done += tally.Kills - before;
                    tell(string.Create(CultureInfo.InvariantCulture, $"[{done}/{kills}] {entry.Name}: {tally.Runs} runs, {tally.Kills} kills{(failures.Count > 0 ? $"; FAILED: {failures[^1]}" : "")}"));
                }
            }

            foreach (var (name, tally) in tallies)
                tell(string.Create(CultureInfo.InvariantCulture, $"| {name} | {tally.Runs} runs | {tally.Kills} kills | {tally.AtWrites} at a write | {tally.Leftovers} left something half written | {tally.Seconds:0} s |"));
            failures.ForEach(tell);
            return failures.Count == 0;
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private sealed record Reference(string Folder, double Seconds, int Writes);

    private static List<KillCase> Cases(string root, IReadOnlyList<string> only)
    {
        var pruned = Path.Combine(root, "pruned.safetensors");
        List<KillCase> all = [new TrainCase(), new ScanCase(), new StudyCase(), new PruneCase(), new ExportCase(), new FineTuneCase(pruned)];
        var chosen = all.Where(entry => only.Count == 0 || only.Contains(entry.Name)).ToList();
        if (chosen.Count == 0)
            throw new ArgumentException($"--only is '{string.Join(',', only)}'; allowed are {string.Join(", ", all.Select(entry => entry.Name))}.");
        if (chosen.Any(entry => entry is FineTuneCase))
            Needed(ToolProcess.Run(Path.Combine(root, "tmp"), ["prune", "--weights", ToolProcess.Sample, "--ratio", "0.4", "--out", pruned]));
        return chosen;
    }

    private static Reference Unbroken(KillCase entry, string root, Action<string> tell)
    {
        var folder = Path.Combine(root, "unbroken-" + entry.Name);
        Directory.CreateDirectory(folder);
        entry.Prepare(folder);
        var writes = 0;
        double seconds;
        using (KillMoment.Watch(folder, count => writes = count))
            seconds = Needed(ToolProcess.Run(Path.Combine(root, "tmp"), entry.Arguments(folder))).Seconds;
        tell(string.Create(CultureInfo.InvariantCulture, $"{entry.Name}, unbroken: {seconds:0.0} s, {writes} things happened in its folder"));
        return new Reference(folder, seconds, writes);
    }

    // One run, killed and started again until it is done. Null when all is well.
    private static string? Broken(KillCase entry, Reference reference, string folder, Random random, int most, Tally tally)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
        var temporary = Path.Combine(folder, "tmp");
        var results = Path.Combine(folder, "results");
        Directory.CreateDirectory(results);
        entry.Prepare(results);
        tally.Runs++;
        for (var (start, kills) = (0, 0); start < MostStarts; start++)
        {
            var moment = KillMoment.Draw(random, reference.Seconds, reference.Writes);
            var before = entry.Progress(results);
            var end = kills >= most
                ? ToolProcess.Run(temporary, entry.Arguments(results))
                : ToolProcess.Run(temporary, entry.Arguments(results), (_, exited) => moment.Wait(results, exited));
            tally.Seconds += end.Seconds;
            if (!end.Killed)
                return end.ExitCode == 0 ? AtEnd(entry, reference, results) : $"start {start + 1} ended with {end.ExitCode}: {end.Errors}";
            (kills, tally.Kills, tally.AtWrites) = (kills + 1, tally.Kills + 1, tally.AtWrites + (moment.AtWrite ? 1 : 0));
            if (Strays(entry, results).Any())
                tally.Leftovers++;
            if (entry.AfterKill(results, reference.Folder, before) is { } wrong)
                return $"after kill {kills}: {wrong}";
        }

        return $"is not done after {MostStarts} starts";
    }

    private static string? AtEnd(KillCase entry, Reference reference, string results) =>
        entry.AtEnd(results, reference.Folder) ?? (Strays(entry, results).Where(name => !name.EndsWith(".torn", StringComparison.Ordinal)).ToList() is { Count: > 0 } strays ? $"left {string.Join(", ", strays)}" : null);

    private static IEnumerable<string> Strays(KillCase entry, string results) => Directory.EnumerateFileSystemEntries(results).Select(path => Path.GetFileName(path)).Except(entry.Results);

    private static ToolEnd Needed(ToolEnd end) => end.ExitCode == 0 ? end : throw new InvalidOperationException($"The tool ended with {end.ExitCode}: {end.Errors}");
}
