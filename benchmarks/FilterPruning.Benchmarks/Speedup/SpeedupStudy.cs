using System.Globalization;
using System.Text;
using System.Text.Json;
using FilterPruning.Benchmarks.Goals;

namespace FilterPruning.Benchmarks.Speedup;

/// <summary>
/// The table of realised speed-ups: <c>-- speedup [--out FILE] [--size 320,800] [--scopes local,global,macs] [--ratios 0.1,…] [--multiples 1] [--threads N] [--rounds N] [--images N] [--seed N] [--plain] [--processor-time]</c>.
/// JSON lines, the first of which says where and with what; and the same as Markdown on the console. Every line is written as soon as it is measured.
/// </summary>
internal static class SpeedupStudy
{
    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static int Run(IReadOnlyList<string> arguments)
    {
        var output = Option(arguments, "--out", "");
        var (ratios, scopes) = (Option(arguments, "--ratios", "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9").Split(',').Select(Number).ToArray(), Option(arguments, "--scopes", "local,global,macs").Split(','));
        var (sizes, multiples) = (Option(arguments, "--size", "320,800").Split(',').Select(Whole).ToArray(), Option(arguments, "--multiples", "1").Split(',').Select(Whole).ToArray());
        var seed = Whole(Option(arguments, "--seed", "0"));
        if (Option(arguments, "--threads", "") is { Length: > 0 } threads)
            set_num_threads(Whole(threads));
        ProcessorClock.IsUsed = arguments.Contains("--processor-time");
        if (output.Length > 0)
            File.WriteAllText(output, "");
        Write(new { seed, clock = ProcessorClock.IsUsed ? "processor time" : "wall clock", weights = DetectorSetup.Origin, machine = Surroundings.Machine, threads = Surroundings.Threads, versions = Surroundings.Versions });
        Console.WriteLine("| px | scope | ratio | multiple | prepared | MACs, G | theory | faster | of theory | p50, ms | p95, ms | p95 faster | file, MB | memory, MB |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
        foreach (var size in sizes)
        {
            var images = Whole(Option(arguments, "--images", size <= 320 ? "2" : "1"));
            var rounds = Whole(Option(arguments, "--rounds", size <= 320 ? "6" : "4"));
            using var bench = new SpeedupBench(size, images, seed);
            foreach (var scope in scopes)
            {
                foreach (var (ratio, multiple) in ratios.SelectMany(ratio => multiples.Select(multiple => (ratio, multiple))))
                {
                    var plan = bench.PlanOf(scope, ratio, multiple);
                    Show(bench.Measure(plan, scope, ratio, rounds, sizes: true));
                    if (arguments.Contains("--plain") || (scope == scopes[0] && ratio == 0.5 && multiple == multiples[0]))
                        Show(bench.Measure(plan, scope, ratio, rounds, prepared: false));
                }
            }
        }

        return 0;

        void Show(SpeedupPoint point)
        {
            Write(point);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {point.Size} | {point.Scope} | {point.Ratio} | {point.Multiple} | {(point.Prepared ? "yes" : "no")} | {point.MacsDense / 1e9:0.0} → {point.MacsPruned / 1e9:0.0} | {point.Theory:0.00} | {point.SpeedUp:0.00} | {point.RealisedOverTheory:0.00} | {point.DenseP50:0} → {point.PrunedP50:0} | {point.DenseP95:0} → {point.PrunedP95:0} | {point.SpeedUpP95:0.00} | {Mega(point.FileBytesDense)} → {Mega(point.FileBytesPruned)} | {Mega(point.PeakBytesDense)} → {Mega(point.PeakBytesPruned)} |"));
        }

        void Write(object line)
        {
            if (output.Length > 0)
                File.AppendAllText(output, JsonSerializer.Serialize(line, Format) + "\n", new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        }
    }

    private static string Mega(long? bytes) => bytes is { } known ? string.Create(CultureInfo.InvariantCulture, $"{known / 1e6:0}") : "";

    private static string Option(IReadOnlyList<string> arguments, string name, string otherwise) => arguments.SkipWhile(argument => argument != name).Skip(1).FirstOrDefault() ?? otherwise;

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static int Whole(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
