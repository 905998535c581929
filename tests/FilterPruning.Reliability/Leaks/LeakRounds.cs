using FilterPruning.Detection.Models;
using FilterPruning.Detection.Pipeline;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning.Reliability.Leaks;

/// <summary>What is done again and again. Each disposes what it is given and leaves the model as it was.</summary>
internal static class LeakRounds
{
    /// <summary>Detections, one picture after another.</summary>
    public static LeakMeter Detect(MaskRcnnModel model, IReadOnlyList<Tensor> pictures, int rounds)
    {
        var meter = new LeakMeter(rounds);
        using var guard = no_grad();
        // A prepared layer orders its weights anew for each number of rows or size that it meets first, and keeps them: each picture is met once before anything is counted.
        for (var picture = 0; picture < pictures.Count; picture++)
            Once(picture);
        for (var round = 1; round <= rounds; round++)
        {
            Once(round);
            meter.After(round);
        }

        void Once(int round)
        {
            foreach (var found in model.Detect([pictures[round % pictures.Count]]))
                found.Dispose();
        }

        return meter;
    }

    /// <summary>The same on a detector prepared for inference; the preparation's end belongs to the test.</summary>
    public static LeakMeter DetectPrepared(MaskRcnnModel model, IReadOnlyList<Tensor> pictures, int rounds)
    {
        using var prepared = model.PrepareForInference();
        return Detect(model, pictures, rounds);
    }

    /// <summary>Streams of ten pictures each.</summary>
    public static LeakMeter DetectAsync(MaskRcnnModel model, IReadOnlyList<Tensor> pictures, int rounds)
    {
        const int each = 10;
        var streams = Math.Max(1, rounds / each);
        var meter = new LeakMeter(streams);
        for (var stream = 1; stream <= streams; stream++)
        {
            Drain(stream).GetAwaiter().GetResult();
            meter.After(stream);
        }

        return meter;

        async Task Drain(int stream)
        {
            var sources = Enumerable.Range(0, each).Select(i => ImageSource.FromTensor("picture", pictures[(stream + i) % pictures.Count]));
            await foreach (var result in model.DetectAsync(sources.ToAsyncEnumerable(), new ThroughputOptions { BatchSize = 2, DegreeOfParallelism = 2, ThreadsPerBatch = 1 }).ConfigureAwait(false))
                result.Dispose();
        }
    }

    /// <summary>Trace, plan, cut, prove, undo.</summary>
    public static LeakMeter Rounds(MaskRcnnModel model, IReadOnlyList<Tensor> pictures, int rounds)
    {
        var meter = new LeakMeter(rounds);
        for (var round = 1; round <= rounds; round++)
        {
            var picture = pictures[round % pictures.Count];
            var graph = DependencyGraph.Trace(model, detector => detector.Detect([picture]));
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.3 });
            using (var cut = Surgeon.Apply(graph, plan))
                cut.Undo();
            meter.After(round);
        }

        return meter;
    }
}
