using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using FilterPruning.Fuzz.Cli;
using FilterPruning.Fuzz.Core;
using FilterPruning.Fuzz.Detection;
using FilterPruning.Fuzz.Engine;

namespace FilterPruning.Fuzz.Guided;

/// <summary>The command line: fuzzes readers with coverage, or gives one its old inputs again.</summary>
internal static class FuzzRun
{
    private const long DefaultInputs = 5_000_000;
    private const int HangSeconds = 60, SavedBytes = 16_000;

    private static readonly Func<ReaderTarget>[] Makers =
    [
        () => new SafetensorsTarget(), () => new PthTarget(), () => new PickleTarget(), () => new RecipeTarget(), () => new PlanTarget(), () => new ScanTarget(), () => new LatencyTarget(),
        () => new DescriptionTarget(), () => new CocoTarget(), () => new CocoResultsTarget(), () => new RleTarget(), () => new PolygonTarget(), () => new PennFudanTarget(), () => new ImageTarget(),
        () => new CheckpointTarget(), () => new StudyTarget(), () => new ResultsTarget(),
    ];

    private static string[] Names => ["safetensors", "pth", "pickle", "recipe", "plan", "scan", "latency", "description", "coco", "coco-results", "rle", "polygon", "pennfudan", "image", "checkpoint", "study", "results"];

    public static int Run(string[] args)
    {
        var coverage = new TraceCoverage();
        return Start(args, coverage);
    }

    // In a method of its own: its code may be of instrumented assemblies, and the map has to be there first.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Start(string[] args, TraceCoverage coverage)
    {
        var readers = args.TakeWhile(arg => !arg.StartsWith("--", StringComparison.Ordinal)).ToList();
        var options = args.Skip(readers.Count).Chunk(2).ToDictionary(pair => pair[0], pair => pair.Length == 2 ? pair[1] : throw new ArgumentException($"{pair[0]} needs a value."), StringComparer.Ordinal);
        if (options.Keys.FirstOrDefault(key => key is not ("--inputs" or "--seconds" or "--seed" or "--out" or "--corpus" or "--save" or "--replay")) is { } unknown)
            throw new ArgumentException($"There is no option {unknown}.");
        if (readers.FirstOrDefault(reader => !Names.Contains(reader)) is { } stranger)
            throw new ArgumentException($"There is no reader '{stranger}'; there are {string.Join(", ", Names)}.");
        torch.set_num_threads(1);
        var failed = false;
        foreach (var reader in readers.Count > 0 ? readers : [.. Names])
        {
            var target = Makers[Array.IndexOf(Names, reader)]();
            failed |= options.TryGetValue("--replay", out var path) ? !Replay(target, path) : !Fuzz(target, coverage, options);
        }

        return failed ? 1 : 0;
    }

    private static bool Fuzz(ReaderTarget target, TraceCoverage coverage, Dictionary<string, string> options)
    {
        long Number(string name, long otherwise) => options.TryGetValue(name, out var text) ? long.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        var (inputs, seconds, seed) = (Number("--inputs", DefaultInputs), Number("--seconds", long.MaxValue), Number("--seed", 1));
        var folder = Directory.CreateDirectory(Path.Combine(options.GetValueOrDefault("--out") ?? "out/fuzz", target.Name)).FullName;
        var watch = System.Diagnostics.Stopwatch.StartNew();
        FuzzResult result;
        using (var last = new LastInput(Path.Combine(folder, "last-input"), HangSeconds))
        {
            result = new Fuzzer(target, (ulong)seed, coverage, last.Set).Run(Corpus(options.GetValueOrDefault("--corpus"), target.Name), inputs, () => watch.Elapsed.TotalSeconds < seconds);
        }

        foreach (var finding in result.Findings)
        {
            var name = Path.Combine(folder, $"finding-{Convert.ToHexStringLower(SHA256.HashData(finding.Input))[..12]}");
            File.WriteAllBytes(name, finding.Input);
            Console.WriteLine($"{target.Name}: {finding.What}\n  input of {finding.Input.Length} bytes: {name}");
        }

        Console.WriteLine(FormattableString.Invariant(
            $"| {target.Name} | {result.Inputs} | {seed} | {result.Accepted} | {result.Edges} | {result.Corpus.Count} | {result.MostBytes} | {result.Seconds:0} | {result.Inputs / result.Seconds:0} | {result.Findings.Count} |"));
        if (!coverage.SawAnything)
            Console.Error.WriteLine("No coverage was seen: run 'instrument' first.");
        if (options.TryGetValue("--save", out var saveTo))
            Save(result, target, coverage, Path.Combine(saveTo, target.Name));
        return result.Findings.Count == 0;
    }

    private static IEnumerable<byte[]> Corpus(string? folder, string reader) =>
        folder is not null && Directory.Exists(Path.Combine(folder, reader)) ? Directory.EnumerateFiles(Path.Combine(folder, reader)).Order(StringComparer.Ordinal).Select(File.ReadAllBytes) : [];

    // A small set for the repository: the shortest inputs first, each for a step that none before it took.
    private static void Save(FuzzResult result, ReaderTarget target, TraceCoverage coverage, string folder)
    {
        Directory.CreateDirectory(folder);
        var steps = new HashSet<int>();
        var bytes = 0;
        foreach (var input in result.Corpus.OrderBy(input => input.Length))
        {
            coverage.Begin();
            try
            {
                target.Read(input);
            }
            catch (Exception error) when (target.Allows(error))
            {
                // A refusal takes steps of its own.
            }

            var before = steps.Count;
            steps.UnionWith(coverage.Steps());
            if (steps.Count == before || bytes + input.Length > SavedBytes)
                continue;
            bytes += input.Length;
            File.WriteAllBytes(Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(input))[..12]), input);
        }
    }

    private static bool Replay(ReaderTarget target, string path)
    {
        var files = Directory.Exists(path) ? Directory.EnumerateFiles(path).Order(StringComparer.Ordinal).ToArray() : [path];
        var well = true;
        foreach (var file in files)
        {
            try
            {
                Console.WriteLine($"{file}: read, {target.Read(File.ReadAllBytes(file))} bytes of native memory");
            }
            catch (Exception error)
            {
                well &= target.Allows(error);
                Console.WriteLine($"{file}: {(target.Allows(error) ? "refused" : "FAILS")}: {error}");
            }
        }

        return well;
    }
}
