using System.Text.Json;
using FilterPruning.Fuzz.Engine;
using FilterPruning.Planning;
using FilterPruning.Storage;
using FilterPruning.Surgery;
using TorchSharp.Modules;

namespace FilterPruning.Fuzz.Core;

/// <summary>A pruned model's file: tensors and the recipe that a fresh model is narrowed by. A model that is refused its weights must be as it was.</summary>
internal sealed class RecipeTarget : ReaderTarget
{
    private byte[]? _valid;

    public override string Name => "recipe";

    public override double BytesPerByte => 400;

    public override long FreeBytes => 2 << 20;

    public override int MaximumLength => 8192;

    public override IReadOnlyList<byte[]> Words => [.. new SafetensorsTarget().Words, "\\\"removedOutputs\\\": [1]"u8.ToArray(), "\\\"kind\\\": \\\"Conv2d\\\""u8.ToArray()];

    public override IEnumerable<byte[]> Seeds() => [_valid ??= Valid()];

    public override long Read(byte[] input)
    {
        using var scope = NewDisposeScope();
        using var model = Fresh();
        var before = Shapes(model);
        try
        {
            using var file = SafetensorsFile.Open("fuzz", ByteSource.Of(input), new SafetensorsLimits());
            PrunedModel.Fill(model, file, null);
        }
        catch (PruningException) when (!before.SequenceEqual(Shapes(model)))
        {
            throw new InvalidDataException("The model has other shapes after a load that was refused.");
        }

        return model.state_dict().Values.Sum(tensor => 3 * tensor.numel() * tensor.ElementSize);
    }

    public override byte[] Repair(byte[] input, Mutator mutator) => SafetensorsTarget.Repaired(mutator.Random.OneIn(2) ? ChangePlan(input, mutator) : input, mutator);

    private static Sequential Fresh() => nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2));

    private static string[] Shapes(nn.Module model) => [.. model.state_dict().Select(entry => $"{entry.Key} {string.Join(',', entry.Value.shape)}")];

    private static byte[] Valid()
    {
        using var scope = NewDisposeScope();
        using var model = (TorchSharp.Modules.Sequential)Fresh();
        model.eval();
        var graph = Graph.DependencyGraph.Trace(model, ones(2, 3));
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 });
        Surgeon.Apply(graph, plan);
        var path = Path.GetTempFileName();
        try
        {
            PrunedModel.Save(model, plan, path);
            return File.ReadAllBytes(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    // The plan is JSON in a string of JSON.
    private static byte[] ChangePlan(byte[] input, Mutator mutator)
    {
        try
        {
            using var file = SafetensorsFile.Open("fuzz", ByteSource.Of(input), new SafetensorsLimits());
            if (!file.Metadata.TryGetValue(PrunedModel.PlanKey, out var plan))
                return input;
            var text = System.Text.Encoding.UTF8.GetString(input, 8, input.Length - 8);
            var at = text.IndexOf(PrunedModel.PlanKey, StringComparison.Ordinal) + PrunedModel.PlanKey.Length + 1;
            var begin = text.IndexOf('"', at);
            var end = begin + 1;
            while (end < text.Length && (text[end] != '"' || text[end - 1] == '\\'))
                end++;
            return [.. input[..8], .. System.Text.Encoding.UTF8.GetBytes(text[..begin] + JsonSerializer.Serialize(JsonShape.Change(plan, mutator)) + text[Math.Min(end + 1, text.Length)..])];
        }
        catch (PruningException)
        {
            return input;
        }
    }
}
