using System.Globalization;
using System.Text.Json.Nodes;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Demo;

/// <summary>One model of the demo, measured.</summary>
/// <param name="Title">What it is.</param>
/// <param name="Cost">Parameters and multiply-accumulates.</param>
/// <param name="Evaluation">Its accuracy.</param>
/// <param name="Latency">Milliseconds an image, median.</param>
/// <param name="Bytes">Size of its file.</param>
/// <param name="ProofError">The proof's figure; 0 for the dense model.</param>
internal sealed record DemoModel(string Title, Cost Cost, EvaluationResult Evaluation, LatencyFigures Latency, long Bytes, double ProofError);

/// <summary>A picture of the report: the same scene seen by all models, as PNG.</summary>
internal sealed record DemoPicture(string Title, byte[] Png);

/// <summary>One line of the report's table.</summary>
internal sealed record DemoRow(string Title, IReadOnlyList<string> Cells);

/// <summary>Everything the demo found out.</summary>
internal sealed record DemoResult
{
    public const string RawTitle = "pruned by L1";
    public const string RepairedTitle = "pruned by L1, repaired";
    public const string ChosenTitle = "chosen and repaired";

    public required double Ratio { get; init; }

    public required DemoModel Dense { get; init; }

    public required DemoModel Raw { get; init; }

    public required DemoModel Repaired { get; init; }

    /// <summary>As much work as <see cref="Repaired"/>, with channels and widths chosen for the repair.</summary>
    public required DemoModel Chosen { get; init; }

    public required PruningPlan Plan { get; init; }

    public required int RepairImages { get; init; }

    public required double RepairSeconds { get; init; }

    public required bool LoadsIdentically { get; init; }

    public required IReadOnlyList<DemoPicture> Pictures { get; init; }

    public required string ModelFile { get; init; }

    public required double Seconds { get; init; }

    public IReadOnlyList<DemoModel> Models => [Dense, Raw, Repaired, Chosen];

    /// <summary>The table, the same on the terminal and on the page.</summary>
    public IReadOnlyList<DemoRow> Rows() =>
    [
        Row("mask AP50", m => Share(m.Evaluation.Mask.AP50)),
        Row("mask AP", m => Share(m.Evaluation.Mask.AP)),
        Row("box AP50", m => Share(m.Evaluation.Box.AP50)),
        Row("IoU@0.5 (match rate)", m => $"{Share(m.Evaluation.IouAt50)} ({Share(m.Evaluation.MatchRate)})"),
        Row("parameters", m => $"{Million(m.Cost.Parameters)}{Gain(Dense.Cost.Parameters, m.Cost.Parameters)}"),
        Row("MACs", m => $"{Billion(m.Cost.Macs)}{Gain(Dense.Cost.Macs, m.Cost.Macs)}"),
        Row("file", m => $"{Number(m.Bytes / 1e6, "0.0")} MB"),
        Row("latency, median", m => $"{Number(m.Latency.Median, "0.0")} ms{Gain(Dense.Latency.Median, m.Latency.Median)}"),
    ];

    public JsonObject ToJson() => new()
    {
        ["ratio"] = Ratio,
        ["dense"] = ToJson(Dense),
        ["raw"] = ToJson(Raw),
        ["repaired"] = ToJson(Repaired),
        ["chosen"] = ToJson(Chosen),
        ["repairImages"] = RepairImages,
        ["repairSeconds"] = RepairSeconds,
        ["loadsIdentically"] = LoadsIdentically,
        ["model"] = ModelFile,
        ["seconds"] = Seconds,
    };

    private static JsonObject ToJson(DemoModel model)
    {
        var json = Commands.EvalCommand.ToJson(model.Evaluation);
        json["parameters"] = model.Cost.Parameters;
        json["macs"] = model.Cost.Macs;
        json["bytes"] = model.Bytes;
        json["latencyMedianMs"] = model.Latency.Median;
        json["latencyP95Ms"] = model.Latency.P95;
        json["proofError"] = model.ProofError;
        return json;
    }

    private DemoRow Row(string title, Func<DemoModel, string> cell) => new(title, [.. Models.Select(cell)]);

    private static string Gain(double dense, double now) => dense == now ? "" : $" ({Number(dense / now, "0.0")} ×)";

    private static string Share(double value) => Number(value, "0.000");

    private static string Million(long value) => $"{Number(value / 1e6, "0.00")} M";

    private static string Billion(long value) => $"{Number(value / 1e9, "0.00")} G";

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
