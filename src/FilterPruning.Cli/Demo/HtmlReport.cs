using System.Globalization;
using System.Net;
using System.Text;

namespace FilterPruning.Cli.Demo;

/// <summary>The demo's page: one file, with its pictures inside.</summary>
internal static class HtmlReport
{
    private const string Style = """
        :root { --ink: #14213d; --soft: #5b6781; --line: #e3e8f0; --accent: #2563eb; --good: #0f9d58; --bad: #d14343; }
        * { box-sizing: border-box; }
        body { margin: 0; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--ink); background: #f6f8fb; }
        main { max-width: 1160px; margin: 0 auto; padding: 40px 24px 64px; }
        h1 { font-size: 34px; line-height: 1.2; margin: 0 0 8px; letter-spacing: -0.02em; }
        h2 { font-size: 21px; margin: 44px 0 12px; }
        p.lead { font-size: 18px; color: var(--soft); margin: 0 0 28px; max-width: 46em; }
        .cards { display: grid; grid-template-columns: repeat(4, 1fr); gap: 14px; }
        .card { background: #fff; border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px; }
        .card b { display: block; font-size: 30px; letter-spacing: -0.02em; color: var(--accent); }
        .card span { color: var(--soft); font-size: 14px; }
        table { border-collapse: collapse; width: 100%; background: #fff; border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
        th, td { text-align: right; padding: 10px 16px; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
        th:first-child, td:first-child { text-align: left; }
        th { background: #eef2f9; font-weight: 600; }
        tr:last-child td { border-bottom: 0; }
        td:last-child { font-weight: 600; }
        figure { margin: 0 0 18px; background: #fff; border: 1px solid var(--line); border-radius: 12px; padding: 12px; }
        figure img { display: block; max-width: 100%; margin: 0 auto; image-rendering: auto; border-radius: 6px; }
        figcaption { color: var(--soft); font-size: 14px; padding-top: 8px; text-align: center; }
        .good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
        code, pre { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; font-size: 14px; }
        pre { background: #101828; color: #e6edf7; padding: 16px 18px; border-radius: 12px; overflow-x: auto; }
        footer { color: var(--soft); font-size: 14px; margin-top: 40px; }
        @media (max-width: 820px) { .cards { grid-template-columns: repeat(2, 1fr); } }
        """;

    public static string Write(DemoResult result)
    {
        var smaller = (double)result.Dense.Cost.Parameters / result.Chosen.Cost.Parameters;
        var less = (double)result.Dense.Cost.Macs / result.Chosen.Cost.Macs;
        var faster = result.Dense.Latency.Median / result.Chosen.Latency.Median;
        var kept = result.Chosen.Evaluation.Mask.AP50 / result.Dense.Evaluation.Mask.AP50;
        var html = new StringBuilder();
        html.Append(CultureInfo.InvariantCulture, $"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>FilterPruning: a smaller Mask R-CNN that still sees</title>
            <style>{Style}</style>
            </head>
            <body>
            <main>
            <h1>A smaller Mask R-CNN that still sees</h1>
            <p class="lead">Removing {result.Ratio * 100:0} % of every layer's filters by their L1 norm ruins it; a repair from {result.RepairImages} scenes without labels brings it back. Choosing channels and widths for that repair is better still, with no more work left. No training: {result.RepairSeconds:0} seconds from the dense model to the repaired one.</p>
            <div class="cards">
            {Card($"{smaller:0.0} ×", "smaller")}
            {Card($"{less:0.0} ×", "fewer multiply-accumulates")}
            {Card($"{faster:0.0} ×", "faster here, median of one run")}
            {Card($"{kept * 100:0.0} %", "of its mask AP50 kept")}
            </div>
            <h2>Before and after</h2>
            {Table(result)}
            <h2>What it sees</h2>
            {Pictures(result)}
            <h2>Where the filters went</h2>
            <figure>{Image(DemoPlots.Widths(result.Plan), "filters of each layer before and after")}<figcaption>Filters of each layer, dense and chosen. Layers that are added to one another or share a consumer shrink together; the five output layers stay.</figcaption></figure>
            <h2>Is it still the same model?</h2>
            <p>Removing a filter must do exactly what silencing it does. Every call of every layer of the small model was compared with the large model in which the removed channels are masked: the largest relative difference is <b>{result.Chosen.ProofError:0.0e+0}</b>, rounding and nothing else. {Loaded(result)}</p>
            <h2>Do it yourself</h2>
            <pre>{Encode(Commands)}</pre>
            <footer>Evaluated on {result.Dense.Evaluation.Images} fresh ShapeScenes with {result.Dense.Evaluation.Instances} objects. Files beside this page: <code>pruned.safetensors</code> (the model with its recipe inside) and <code>plan.json</code>. The whole demo took {result.Seconds:0} seconds.</footer>
            </main>
            </body>
            </html>
            """);
        return html.ToString();
    }

    private const string Commands = """
        filter-pruning prune  --weights samples/checkpoints/shapescenes.safetensors --target-macs 36% --scope allocated --repair shapescenes --images 24 --out pruned.safetensors
        filter-pruning eval   --weights pruned.safetensors --data shapescenes --images 100
        filter-pruning detect --weights pruned.safetensors photo.png --out found
        """;

    private static string Loaded(DemoResult result) => result.LoadsIdentically
        ? "<span class=\"good\">Saved, loaded into a fresh model, and every detection is identical.</span>"
        : "<span class=\"bad\">The saved model's detections differ after loading.</span>";

    private static string Card(string figure, string caption) => $"<div class=\"card\"><b>{Encode(figure)}</b><span>{Encode(caption)}</span></div>";

    private static string Table(DemoResult result)
    {
        var html = new StringBuilder("<table><thead><tr><th></th>").AppendJoin("", result.Models.Select(model => $"<th>{Encode(model.Title)}</th>")).Append("</tr></thead><tbody>");
        foreach (var row in result.Rows())
            html.Append("<tr><td>").Append(Encode(row.Title)).Append("</td>").AppendJoin("", row.Cells.Select(cell => $"<td>{Encode(cell)}</td>")).Append("</tr>");
        return html.Append("</tbody></table>").ToString();
    }

    private static string Pictures(DemoResult result) =>
        string.Concat(result.Pictures.Select(picture => $"<figure>{Image(picture.Png, picture.Title)}</figure>"));

    private static string Image(byte[] png, string title) => $"<img alt=\"{Encode(title)}\" src=\"data:image/png;base64,{Convert.ToBase64String(png)}\">";

    private static string Encode(string text) => WebUtility.HtmlEncode(text);
}
