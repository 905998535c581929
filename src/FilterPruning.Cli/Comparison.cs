using System.Globalization;
using System.Text.Json.Nodes;
using FilterPruning.Cli.Commands;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Detection.Models;

namespace FilterPruning.Cli;

/// <summary>Two detectors on the same images: what one keeps of the other's accuracy, and how much faster it is here.</summary>
/// <param name="Model">The detector in question.</param>
/// <param name="Other">The one it is held against, such as the unpruned model.</param>
internal sealed record Comparison(Comparison.Side Model, Comparison.Side Other)
{
    private const int TimedImages = 4;

    /// <summary>How many times faster the detector is.</summary>
    public double Speedup => Other.Latency.Median / Model.Latency.Median;

    /// <summary>Evaluates the other model as well, and times both in turn, prepared for inference.</summary>
    /// <param name="model">A model.</param>
    /// <param name="measured">Its figures.</param>
    /// <param name="otherFile">The other model's file.</param>
    /// <param name="like">What it is taken to hold where it does not say so itself, as a plain state dict does not: the same architecture.</param>
    /// <param name="dataset">The images.</param>
    /// <param name="rounds">How often both are timed on each of the first four images.</param>
    /// <param name="cancellation">Looked at before each image.</param>
    /// <exception cref="ArgumentException">The other model has other classes.</exception>
    public static Comparison Of(MaskRcnnModel model, EvaluationResult measured, string otherFile, DetectorDescription like, IDetectionDataset dataset, int rounds, CancellationToken cancellation)
    {
        var description = DetectorFile.Describe(otherFile) ?? like;
        using var other = description.Create();
        CheckpointNote.Tell(otherFile, DetectorFile.LoadWeights(other, otherFile, weightsKey: null));
        other.eval();
        if (description.NumClasses - 1 != dataset.ClassNames.Count)
            throw new ArgumentException($"--against names a detector of {description.NumClasses - 1} classes, and the images of {dataset.Name} are labelled with {dataset.ClassNames.Count}. Give one that was trained on the same classes.");
        var beside = EvalCommand.Measure(other, dataset, otherFile, cancellation);
        using var scope = NewDisposeScope();
        var images = Enumerable.Range(0, Math.Min(TimedImages, dataset.Count)).Select(index => ImageOf(dataset, index)).ToList();
        var times = Output.WithProgress("Timing both in turn", _ => Latency.Compare([model, other], images, rounds, prepared: true, cancellation));
        return new Comparison(new Side(measured, Parameters(model), times[0]), new Side(beside, Parameters(other), times[1]));
    }

    /// <summary>As it stands in the command's JSON under "against".</summary>
    public JsonObject ToJson(string file, JsonObject figures) => new()
    {
        ["file"] = file,
        ["figures"] = figures,
        ["parameters"] = new JsonObject { ["this"] = Model.Parameters, ["against"] = Other.Parameters },
        ["latencyMs"] = new JsonObject { ["this"] = Math.Round(Model.Latency.Median, 3), ["against"] = Math.Round(Other.Latency.Median, 3) },
        ["latencyP95Ms"] = new JsonObject { ["this"] = Math.Round(Model.Latency.P95, 3), ["against"] = Math.Round(Other.Latency.P95, 3) },
        ["speedup"] = Math.Round(Speedup, 4),
        ["threads"] = get_num_threads(),
    };

    /// <summary>Prints a table of both.</summary>
    public void Print(string file)
    {
        var table = Output.NewTable("", Path.GetFileName(file), "this", "");
        Share("mask AP50", side => side.Result.Mask.AP50);
        Share("mask AP75", side => side.Result.Mask.AP75);
        Share("mask AP", side => side.Result.Mask.AP);
        Share("box AP", side => side.Result.Box.AP);
        Share("IoU@0.5", side => side.Result.IouAt50);
        Share("match rate", side => side.Result.MatchRate);
        table.Row("parameters", Millions(Other), Millions(Model), Text($"{(double)Other.Parameters / Model.Parameters:0.00} × smaller"));
        table.Row("latency", Milliseconds(Other), Milliseconds(Model), Text($"{Speedup:0.00} × faster"));
        Output.Table(table);
        Output.Line($"Latencies are medians of one image (95th percentile in brackets) on {get_num_threads()} thread(s), both timed in turn, prepared for inference as 'detect' does it.");

        void Share(string name, Func<Side, double> figure)
        {
            var (mine, theirs) = (figure(Model), figure(Other));
            table.Row(name, Figure(theirs), Figure(mine), theirs > 0 && mine >= 0 ? Text($"{100 * mine / theirs:0.0} %") : "");
        }
    }

    private static string Figure(double value) => value < 0 ? "–" : Text($"{value:0.000}");

    private static string Millions(Side side) => Text($"{side.Parameters / 1e6:0.00} M");

    private static string Milliseconds(Side side) => Text($"{side.Latency.Median:0.0} ms ({side.Latency.P95:0.0})");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    // Weights and biases, those of frozen norms included, as a plan counts them.
    private static long Parameters(MaskRcnnModel model) =>
        model.state_dict().Where(entry => entry.Key.EndsWith("weight", StringComparison.Ordinal) || entry.Key.EndsWith("bias", StringComparison.Ordinal)).Sum(entry => entry.Value.numel());

    private static Tensor ImageOf(IDetectionDataset dataset, int index)
    {
        var sample = dataset.Load(index);
        sample.Target.Dispose();
        return sample.Image;
    }

    /// <summary>One of the two.</summary>
    internal sealed record Side(EvaluationResult Result, long Parameters, LatencyFigures Latency);
}
