using System.Text.Json.Nodes;

namespace FilterPruning.Cli.Tests.Report;

/// <summary>Lines of a results file made by hand: a dense model of 1,000,000 parameters and 2 G MACs, and points beside it.</summary>
internal static class Lines
{
    /// <summary>A measured point; <paramref name="change"/> sets what matters to the test.</summary>
    public static JsonObject Point(string criterion, string scope, double ratio, string repair, double ap50, int seed = 0, Action<JsonObject>? change = null)
    {
        var left = 1 - ratio;
        var json = new JsonObject
        {
            ["dataset"] = "made",
            ["model"] = "small",
            ["checkpoint"] = "0123456789ab",
            ["criterion"] = criterion,
            ["scope"] = scope,
            ["layers"] = "all",
            ["ratio"] = ratio,
            ["target"] = null,
            ["repair"] = repair,
            ["fineTuned"] = false,
            ["seed"] = seed,
            ["status"] = "measured",
            ["maskAP"] = ap50 / 2,
            ["maskAP50"] = ap50,
            ["maskAP75"] = ap50 / 4,
            ["maskAPSmall"] = null,
            ["maskAP50Low"] = Math.Max(0, ap50 - 0.05),
            ["maskAP50High"] = Math.Min(1, ap50 + 0.05),
            ["iouAt50"] = 0.5 + (ap50 / 2),
            ["matchRate"] = ap50,
            ["parameters"] = (long)(1_000_000 * left * left),
            ["parametersDense"] = 1_000_000,
            ["macs"] = (long)(2_000_000_000 * left),
            ["macsDense"] = 2_000_000_000,
            ["inputSize"] = new JsonArray(160, 160),
            ["filters"] = 500,
            ["filtersRemoved"] = (int)Math.Round(500 * ratio),
            ["latencyP50"] = 40 * left,
            ["latencyP95"] = 50 * left,
            ["denseLatencyP50"] = 40,
            ["denseLatencyP95"] = 50,
            ["images"] = repair == "none" ? null : 16,
            ["evalImages"] = 25,
            ["evalSize"] = 160,
            ["seconds"] = new JsonObject { ["score"] = 1, ["plan"] = 2, ["repair"] = repair == "none" ? 0 : 30 },
        };
        change?.Invoke(json);
        return json;
    }

    public static JsonObject Dense(double ap50 = 0.8) => Point("l1", "local", 0, "none", ap50);

    public static void Write(string path, params JsonObject[] points) => File.WriteAllLines(path, points.Select(point => point.ToJsonString()));
}
