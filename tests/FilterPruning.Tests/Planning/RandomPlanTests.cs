using CsCheck;
using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using FilterPruning.Tests.Surgery;

namespace FilterPruning.Tests.Planning;

/// <summary>Random nets under random options: what a plan predicts is what the cut leaves, and every option holds.</summary>
public class RandomPlanTests
{
    private static readonly Gen<PruningTarget?> _targets = Gen.Select(Gen.Int[0, 4], Gen.Double[0.15, 1], (kind, share) => kind switch
    {
        0 => null,
        1 => PruningTarget.KeepFiltersShare(Math.Round(share, 2)),
        2 => PruningTarget.KeepParametersShare(Math.Round(share, 2)),
        3 => PruningTarget.KeepMacsShare(Math.Round(share, 2)),
        _ => PruningTarget.KeepBytesShare(Math.Round(share, 2)),
    });

    private static readonly Gen<PruningOptions> _options = Gen.Select(_targets, Gen.Int[0, RankingScopes.All.Length - 1].Select(index => RankingScopes.All[index]), Gen.Int[1, 4], Gen.Int[1, 3], Gen.Int[0, 7], Gen.Int[0, 4], (target, scope, multiple, least, bits, tenths) => new PruningOptions
    {
        Target = target,
        Ratio = target is null ? 0.4 : 0,
        Scope = scope,
        ChannelMultiple = multiple,
        MinimumWidth = least,
        MaximumLayerRatio = (bits & 1) == 0 ? 1 : 0.6,
        LayerRatios = (bits & 2) == 0 ? [] : [new LayerRatio("layer1", tenths / 10.0)],
        Ignore = (bits & 4) == 0 ? [] : ["layer0:inputs"],
        Criterion = new RandomCriterion(bits),
    });

    [Fact]
    public void Prediction_and_measurement_agree_under_every_combination_of_options()
        => Gen.Select(RandomNetTests.Steps, _options).Sample(Check, iter: 25, threads: 1, seed: "0N0XIzNsQ0O3");

    private static void Check((RandomNetTests.Step Kind, int Width)[] steps, PruningOptions options)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var net = RandomNetTests.Build(steps);
        var graph = DependencyGraph.Trace(net, rand(1, 3, 6, 6));
        PruningPlan plan;
        try
        {
            plan = PruningPlanner.CreatePlan(graph, options);
        }
        catch (PruningOptionsException error)
        {
            Assert.Contains("allowed is", error.Message, StringComparison.Ordinal);
            var least = long.Parse(error.Message.Split("allowed is ")[1].Split(' ')[0], null);
            var most = long.Parse(error.Message.Split("at most ")[1].Split(' ')[0], null);
            Assert.True(least > most);
            return;
        }

        var bytes = net.state_dict().Values.Sum(tensor => tensor.numel() * tensor.element_size());
        using var cut = Surgeon.Apply(graph, plan);
        Assert.Equal(plan.Predicted, ModelCost.Measure(graph));
        Assert.Equal(plan.Predicted.Parameters, net.parameters().Sum(parameter => parameter.numel()));
        var bytesLeft = net.state_dict().Values.Sum(tensor => tensor.numel() * tensor.element_size());
        var (before, after) = options.Target?.Measure switch
        {
            TargetMeasure.Parameters => (plan.Before.Parameters, plan.Predicted.Parameters),
            TargetMeasure.Macs => (plan.Before.Macs, plan.Predicted.Macs),
            TargetMeasure.Bytes => (bytes, bytesLeft),
            _ => (long.MaxValue, 0),
        };
        Assert.True(after <= before * (decimal)(options.Target?.Share ?? 1));
        foreach (var layer in plan.Layers)
        {
            Assert.True(layer.KeptOutputs >= options.MinimumWidth || layer.RemovedOutputs.Count == 0);
            Assert.True(layer.RemovedOutputs.Count <= options.MaximumLayerRatio * layer.OutputChannels);
        }

        foreach (var role in graph.Roles.Where(role => role.Pin is null && role.Sides.All(side => side.Channels == 1) && role.Sides[0].Axis == ChannelAxis.Output))
        {
            var gone = plan.Find(role.Sides[0].Layer)!.RemovedOutputs.ToHashSet();
            var kept = role.Groups.Count(group => !gone.Contains(graph.Groups[group].Members.First(member => member.Layer == role.Sides[0].Layer && member.Axis == ChannelAxis.Output).Channel));
            Assert.True(kept % options.ChannelMultiple == 0 || kept == role.Count, $"{role.Description}: {kept} of {role.Count}");
        }

        if (options.Ignore.Count > 0)
            Assert.Empty(plan.Find("layer0")!.RemovedInputs);
    }
}
