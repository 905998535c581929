using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using FilterPruning.Storage;

namespace FilterPruning.Benchmarks.Inference;

/// <summary>torchvision's own ONNX graphs of a Mask R-CNN R50-FPN, made by <c>benchmarks/onnx/export.py</c>.</summary>
/// <param name="Whole">From an image to boxes, labels, scores and masks.</param>
/// <param name="Backbone">From the padded batch to the pyramid.</param>
internal sealed record OnnxExport(string Whole, string Backbone)
{
    /// <summary>Makes the graphs; null, with a line that says why, where Python or torchvision is missing.</summary>
    public static OnnxExport? Make(string weights, int classes, int minSize, int maxSize, string folder, Action<string> say)
    {
        var graphs = new OnnxExport(Path.Combine(folder, $"whole{minSize}.onnx"), Path.Combine(folder, $"backbone{minSize}.onnx"));
        var python = File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
        if (!TryRun(python, ["-c", "import torch, torchvision, numpy"], out var missing))
        {
            say($"No figures beside ONNX Runtime: {python} cannot import torch, torchvision and numpy ({missing}). On Debian: apt-get install python3-torchvision.");
            return null;
        }

        say($"exporting torchvision's graph for {minSize} px ...");
        string[] arguments =
        [
            Script(), weights, graphs.Whole, "--classes", Text(classes), "--min-size", Text(minSize), "--max-size", Text(maxSize), "--backbone", graphs.Backbone,
        ];
        if (TryRun(python, arguments, out var error))
            return graphs;
        say($"No figures beside ONNX Runtime: the export failed ({error}).");
        return null;
    }

    /// <summary>The classes of a detector's file, the background included.</summary>
    public static int ClassesOf(string weights)
    {
        using var source = ModelFile.Open(weights);
        return (int)source.Describe("roi_heads.box_predictor.cls_score.bias").Shape[0];
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Script([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "onnx", "export.py");

    private static bool TryRun(string program, string[] arguments, out string lastLine)
    {
        lastLine = "";
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            var output = process.StandardOutput.ReadToEndAsync();
            var error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            _ = output.Result;
            lastLine = error.Trim().Split('\n')[^1];
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception failure)
        {
            lastLine = failure.Message;
            return false;
        }
    }
}
