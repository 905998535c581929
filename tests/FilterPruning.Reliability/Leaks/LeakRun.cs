using System.Diagnostics;
using System.Globalization;
using FilterPruning.Detection.Models;

namespace FilterPruning.Reliability.Leaks;

/// <summary>The long runs: detections by the ten thousand, cuts by the thousand.</summary>
internal static class LeakRun
{
    /// <summary>A cut takes as long as some ten detections.</summary>
    private const int DetectionsPerCut = 10;

    /// <summary>Less than a page of memory in a detection: whatever leaks a feature map, or one block of the allocator, grows by more.</summary>
    private const double BytesPerDetection = 4096;

    /// <summary>Runs all kinds.</summary>
    /// <param name="detections">Detections of each kind; a tenth of it cuts.</param>
    /// <param name="only">Kinds; empty for all.</param>
    /// <param name="tell">Gets a line for each.</param>
    /// <returns>Whether tensors and memory stayed flat.</returns>
    public static bool Run(int detections, IReadOnlyList<string> only, Action<string> tell)
    {
        using var model = TinyDetector.Create();
        var pictures = TinyDetector.Pictures(6);
        // A tenth of the model's weights: whatever keeps a copy of a layer grows by more, on the average over layers.
        var bytesPerCut = model.parameters().Sum(parameter => parameter.numel() * parameter.ElementSize) / 10.0;
        var flat = true;
        var kinds = new (string Name, int Rounds, double Bound, Func<MaskRcnnModel, IReadOnlyList<Tensor>, int, LeakMeter> Run)[]
        {
            ("detect", detections, BytesPerDetection, LeakRounds.Detect),
            ("prepared", detections, BytesPerDetection, LeakRounds.DetectPrepared),
            ("async", detections, 10 * BytesPerDetection, LeakRounds.DetectAsync), // a round is a stream of ten
            ("cuts", Math.Max(1, detections / DetectionsPerCut), bytesPerCut, LeakRounds.Rounds),
        };
        foreach (var kind in kinds.Where(kind => only.Count == 0 || only.Contains(kind.Name)))
        {
            var clock = Stopwatch.StartNew();
            var meter = kind.Run(model, pictures, kind.Rounds);
            var slope = meter.BytesPerRound();
            var isFlat = meter.Changed is null && slope < kind.Bound;
            flat &= isFlat;
            tell(string.Create(
                CultureInfo.InvariantCulture,
                $"| {kind.Name} | {kind.Rounds} | {meter.Tensors} tensors, {(meter.Changed is { } changed ? $"{changed.More:+0;-0} after round {changed.Round}" : "always")} | {meter.Memory} | {slope:0} of {kind.Bound:0} bytes a round | {(isFlat ? "flat" : "NOT FLAT")} | {clock.Elapsed.TotalSeconds:0} s |"));
        }

        foreach (var picture in pictures)
            picture.Dispose();
        return flat;
    }
}
