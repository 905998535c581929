using System.Globalization;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Benchmarks.Inference;

/// <summary>Where a Mask R-CNN R50-FPN's time goes, layer by layer and prepared: <c>-- profile [--size 320,800] [--batch 1,4] [--threads 1,2] [--rounds N] [--weights FILE] [--image FILE]</c>.</summary>
internal static class StageProfile
{
    public static int Run(IReadOnlyList<string> arguments)
    {
        var rounds = int.Parse(Option(arguments, "--rounds", "5"), CultureInfo.InvariantCulture);
        var weights = Option(arguments, "--weights", "");
        var photo = Option(arguments, "--image", "");
        using var guard = no_grad();
        using var generator = new Generator(0);
        using var image = photo.Length > 0 ? ImageFile.Load(photo) : rand([3, 480, 640], generator: generator);
        foreach (var size in Numbers(arguments, "--size", "320,800"))
        {
            using var model = MaskRcnn.ResNet50Fpn(weights.Length > 0 ? OnnxExport.ClassesOf(weights) : 2, new MaskRcnnOptions { MinSize = size, MaxSize = size * 5 / 3 });
            if (weights.Length > 0)
                DetectorFile.LoadWeights(model, weights);
            model.eval();
            foreach (var threads in Numbers(arguments, "--threads", "1,2"))
            {
                set_num_threads(threads);
                foreach (var batch in Numbers(arguments, "--batch", "1,4"))
                    Show(model, Enumerable.Repeat(image, batch).ToArray(), $"{size} px, batch {batch}, {threads} thread(s)", rounds);
            }
        }

        return 0;
    }

    private static void Show(MaskRcnnModel model, Tensor[] images, string title, int rounds)
    {
        var plain = Best(model, images, rounds);
        TimeSpan[] prepared;
        using (model.PrepareForInference())
            prepared = Best(model, images, rounds);
        Console.WriteLine($"{title}\n| stage | layer by layer, ms | prepared, ms |\n|---|---|---|");
        foreach (var stage in Enum.GetValues<DetectionStage>())
            Console.WriteLine(FormattableString.Invariant($"| {stage} | {plain[(int)stage].TotalMilliseconds:0.0} | {prepared[(int)stage].TotalMilliseconds:0.0} |"));
        Console.WriteLine(FormattableString.Invariant($"| all | {plain.Sum(time => time.TotalMilliseconds):0.0} | {prepared.Sum(time => time.TotalMilliseconds):0.0} |\n"));
    }

    // The least disturbed round of each stage, after one that does not count.
    private static TimeSpan[] Best(MaskRcnnModel model, Tensor[] images, int rounds)
    {
        var best = Enum.GetValues<DetectionStage>().Select(_ => TimeSpan.MaxValue).ToArray();
        for (var round = -1; round < rounds; round++)
        {
            var times = new StageTimes();
            foreach (var detection in model.Detect(images, times))
                detection.Dispose();
            for (var stage = 0; round >= 0 && stage < best.Length; stage++)
                best[stage] = times[(DetectionStage)stage] < best[stage] ? times[(DetectionStage)stage] : best[stage];
        }

        return best;
    }

    private static string Option(IReadOnlyList<string> arguments, string name, string otherwise) =>
        arguments.SkipWhile(argument => argument != name).Skip(1).FirstOrDefault() ?? otherwise;

    private static IEnumerable<int> Numbers(IReadOnlyList<string> arguments, string name, string otherwise) =>
        Option(arguments, name, otherwise).Split(',').Select(text => int.Parse(text, CultureInfo.InvariantCulture));
}
