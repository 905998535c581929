using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Schedules;
using FilterPruning.Selection;
using FilterPruning.Tests.Recovery;
using FilterPruning.Tests.Surgery;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Selection;

/// <summary>Budgets spent by what refitted readers lose.</summary>
public sealed class ReconstructionAllocationTests
{
    public static TheoryData<string> Targets => ["filters:0.7", "filters:0.4", "macs:0.6", "macs:0.3", "parameters:0.5", "bytes:0.5"];

    [Theory]
    [MemberData(nameof(Targets))]
    public void TheTargetIsMetWithinOneGroup(string text)
    {
        using var scope = NewDisposeScope();
        using var net = new FourLayers(3);
        using var sample = net.Sample();
        var target = PruningTarget.Parse(text);
        var plan = ReconstructionAllocation.Plan(sample, new PruningOptions { Target = target });
        var roles = Widths(plan);
        var most = target.Measure switch
        {
            TargetMeasure.Filters => 0,
            TargetMeasure.Macs => target.Share!.Value * plan.Before.Macs,
            TargetMeasure.Parameters => target.Share!.Value * plan.Before.Parameters,
            _ => target.Share!.Value * StoredBytes.Measure(sample.Graph),
        };
        if (target.Measure == TargetMeasure.Filters)
        {
            Assert.Equal((int)(44 * target.Share!.Value), roles.Sum());
            return;
        }

        Assert.True(Cost(roles) <= most);
        for (var role = 0; role < 3; role++)
        {
            int[] wider = [.. roles];
            wider[role]++;
            Assert.True(wider[role] > FourLayers.Full[role] || Cost(wider) > most, $"role {role} could have kept one more");
        }

        double Cost(int[] widths) => target.Measure switch
        {
            TargetMeasure.Macs => FourLayers.Macs(widths),
            TargetMeasure.Parameters => FourLayers.Parameters(widths),
            _ => 4 * FourLayers.Parameters(widths),
        };
    }

    [Theory]
    [InlineData("filters:0.6", 1.0)]    // convex curves and equal prices: greedy is the best there is
    [InlineData("macs:0.5", 1.05)]
    [InlineData("macs:0.25", 1.05)]
    [InlineData("parameters:0.4", 1.05)]
    public void TheBudgetIsSpentAsWellAsByTryingEverything(string text, double slack)
    {
        var target = PruningTarget.Parse(text);
        for (var seed = 0; seed < 4; seed++)
        {
            using var scope = NewDisposeScope();
            using var net = new FourLayers(3);
            var graph = net.Graph();
            var options = new PruningOptions { Target = target };
            var candidates = PruningPlanner.Candidates(graph, options, null);
            var roles = PlanRole.Of(graph, options, candidates, new Dictionary<string, int>());
            var random = new Random(seed);
            double[][] lost = [.. roles.Select(role => Convex(random, role.Order.Length))];
            var meter = new CostMeter(graph, roles);
            double Cost(int[] counts) => target.Measure == TargetMeasure.Filters ? 44 - counts.Sum() : meter.Of(target.Measure, counts);
            var most = target.Share!.Value * Cost(new int[roles.Count]);
            var fresh = new LayerWidths(graph, roles, options);
            var spending = new ErrorSpending(roles, [.. lost.Select((curve, role) => roles[role].Order.Length == 0 ? null : curve)], Cost, fresh.Copy);
            var counts = spending.Spend(new int[roles.Count], most)!;
            Assert.True(Cost(counts) <= most);

            var best = double.PositiveInfinity;
            int[] tried = new int[roles.Count];
            int[] open = [.. Enumerable.Range(0, roles.Count).Where(role => roles[role].Order.Length > 0)];
            for (var a = 0; a < roles[open[0]].Order.Length; a++)
            {
                for (var b = 0; b < roles[open[1]].Order.Length; b++)
                {
                    for (var c = 0; c < roles[open[2]].Order.Length; c++)
                    {
                        (tried[open[0]], tried[open[1]], tried[open[2]]) = (a, b, c);
                        var sum = lost[open[0]][a] + lost[open[1]][b] + lost[open[2]][c];
                        if (sum < best && Quick(tried) <= most)
                            best = sum;
                    }
                }
            }

            Assert.True(spending.Lost(counts) <= (slack * best) + 1e-12, $"seed {seed}: {spending.Lost(counts)}, possible is {best}");

            double Quick(int[] counts)
            {
                int[] widths = [.. open.Select(role => roles[role].Groups.Length - counts[role])];
                return target.Measure switch { TargetMeasure.Filters => widths.Sum(), TargetMeasure.Macs => FourLayers.Macs(widths), _ => FourLayers.Parameters(widths) };
            }
        }
    }

    [Fact]
    public void QuickCostsAreTheMeters()
    {
        using var scope = NewDisposeScope();
        using var net = new FourLayers(3);
        var graph = net.Graph();
        var options = new PruningOptions();
        var roles = PlanRole.Of(graph, options, PruningPlanner.Candidates(graph, options, null), new Dictionary<string, int>());
        var meter = new CostMeter(graph, roles);
        var random = new Random(1);
        foreach (var measure in new[] { TargetMeasure.Macs, TargetMeasure.Parameters })
        {
            var quick = QuickCost.Create(graph, roles, measure)!;
            for (var round = 0; round < 10; round++)
            {
                int[] counts = [.. roles.Select(role => random.Next(0, Math.Max(1, role.Order.Length)))];
                Assert.Equal(meter.Of(measure, counts), quick.Of(counts));
            }
        }

        Assert.Null(QuickCost.Create(graph, roles, TargetMeasure.Bytes));
    }

    [Fact]
    public void ChannelsThatRepeatOthersGoBeforeAnyOther()
    {
        using var scope = NewDisposeScope();
        using var net = new FourLayers(3, twins: true);      // the second layer's last eight filters repeat its first eight
        using var sample = net.Sample();
        var plan = ReconstructionAllocation.Plan(sample, new PruningOptions { Ratio = 8.0 / 44, Criterion = new ReconstructionCriterion(sample, 1e-6) });
        // Filters that are closed on all inputs go as well; nothing that matters does.
        Assert.True(plan.Find("second")!.RemovedOutputs.Count > 0);
        var dense = (Tensor)sample.Answers[0]()!;
        LeastSquaresRepair.Apply(net, sample, plan);
        Assert.True(((Tensor)sample.Answers[0]()! - dense).abs().max().item<float>() < 1e-2 * dense.abs().max().item<float>());
    }

    [Fact]
    public void WhatOtherOptionsSayHolds()
    {
        using var scope = NewDisposeScope();
        using var net = new FourLayers(3);
        using var sample = net.Sample();
        var plan = ReconstructionAllocation.Plan(sample, new PruningOptions { Target = PruningTarget.KeepMacsShare(0.5), Ignore = ["first:outputs"] });
        Assert.Equal(12, Widths(plan)[0]);
        plan = ReconstructionAllocation.Plan(sample, new PruningOptions { Target = PruningTarget.KeepMacsShare(0.4), LayerRatios = [new LayerRatio("third", 0.25)] });
        Assert.Equal(12, Widths(plan)[2]);
        plan = ReconstructionAllocation.Plan(sample, new PruningOptions { Target = PruningTarget.KeepMacsShare(0.5), ChannelMultiple = 4 });
        Assert.All(Widths(plan), width => Assert.Equal(0, width % 4));
        plan = ReconstructionAllocation.Plan(sample, new PruningOptions { Ratio = 0.4, MaximumLayerRatio = 0.5 });
        Assert.All(Widths(plan).Zip(FourLayers.Full), pair => Assert.True(pair.First * 2 >= pair.Second));
        plan = ReconstructionAllocation.Plan(sample, new PruningOptions { Ratio = 0.5, MinimumWidth = 7 });
        Assert.All(Widths(plan), width => Assert.True(width >= 7));
        var error = Assert.Throws<PruningOptionsException>(() => ReconstructionAllocation.Plan(sample, new PruningOptions { Ratio = 0.9, MinimumWidth = 7 }));
        Assert.Contains("MinimumWidth", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnotherCriterionSaysWhichAndTheLossesHowMany()
    {
        using var scope = NewDisposeScope();
        using var net = new FourLayers(3);
        using var sample = net.Sample();
        var plan = ReconstructionAllocation.Plan(sample, new PruningOptions { Ratio = 0.5, Criterion = new L1Criterion() });
        foreach (var (name, width) in new[] { "first", "second", "third" }.Zip(Widths(plan)))
        {
            using var scores = new L1Criterion().Score(new FilterBank(name, net.Layer(name), net.Layer(name).weight!, 0, (int)net.Layer(name).weight!.shape[0]));
            var values = scores.data<float>().ToArray();
            Assert.Equal(Enumerable.Range(0, values.Length).OrderByDescending(i => values[i]).Take(width).Order(), Enumerable.Range(0, values.Length).Except(plan.Find(name)!.RemovedOutputs));
        }
    }

    [Fact]
    public void ACostOfOnesOwnIsSpentLikeTheLibrarys()
    {
        using var scope = NewDisposeScope();
        using var net = new FourLayers(3);
        using var sample = net.Sample();
        var options = new PruningOptions { Target = PruningTarget.KeepMacsShare(0.5) };
        var own = new AllocationOptions { Cost = layers => FourLayers.Macs([.. layers.Take(3).Select(layer => layer.KeptOutputs)]) };
        Assert.Equal(ReconstructionAllocation.Plan(sample, options).ToJson(), ReconstructionAllocation.Plan(sample, options, own).ToJson());
    }

    [Fact]
    public void TheScopeIsAnotherWayToAskForIt()
    {
        using var scope = NewDisposeScope();
        using var net = new FourLayers(3);
        using var sample = net.Sample();
        var options = new PruningOptions { Ratio = 0.5, Scope = PruningScope.Allocated, Criterion = new ReconstructionCriterion(sample) };
        var plan = PruningPlanner.CreatePlan(sample.Graph, options);
        Assert.Equal(ReconstructionAllocation.Plan(sample, options).ToJson(), plan.ToJson());
        Assert.Equal(PruningScope.Allocated, PruningPlan.FromJson(plan.ToJson()).Settings.Scope);
        var error = Assert.Throws<PruningOptionsException>(() => PruningPlanner.CreatePlan(sample.Graph, options with { Criterion = new L1Criterion() }));
        Assert.Contains("ReconstructionCriterion", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ExchangesLoseNoMore()
    {
        using var scope = NewDisposeScope();
        using var net = new FourLayers(3);
        using var sample = net.Sample();
        var criterion = new ReconstructionCriterion(sample);
        var options = new PruningOptions { Ratio = 0.5, Criterion = criterion };
        var plain = ReconstructionAllocation.Plan(sample, options, new AllocationOptions { Exchanges = 0 });
        var refined = ReconstructionAllocation.Plan(sample, options);
        Assert.Equal(Widths(plain), Widths(refined));
        foreach (var name in new[] { "first", "second", "third" })
            Assert.True(Lost(refined, name) <= Lost(plain, name) + 1e-9);

        double Lost(PruningPlan plan, string name)
        {
            var layer = sample.Graph.Layers.Single(layer => layer.Name == name);
            int[] groups = [.. layer.OutputGroups.Order()];
            using var readers = criterion.ReadersOf(groups, default);
            int[] order = [.. plan.Find(name)!.RemovedOutputs.Select(channel => Array.IndexOf(groups, layer.OutputGroups[channel]))];
            return SelectionOrder.Along(readers, groups.Length, order, criterion.Noise).Lost[^1];
        }
    }

    [Fact]
    public void FreesItsTensorsAndLeavesTheModelAlone()
    {
        using var scope = NewDisposeScope();
        using var net = new FourLayers(3);
        using var sample = net.Sample();
        var weights = net.parameters().Select(parameter => parameter.detach().clone()).ToList();
        var options = new PruningOptions { Ratio = 0.5 };
        ReconstructionAllocation.Plan(sample, options);
        var before = LiveTensors.Settled();
        ReconstructionAllocation.Plan(sample, options);
        Assert.Equal(before, LiveTensors.Settled());
        Assert.All(net.parameters().Zip(weights), pair => Assert.True(pair.First.equal(pair.Second).all().item<bool>()));
        Assert.All(net.parameters(), parameter => Assert.Null(parameter.grad));
    }

    private static int[] Widths(PruningPlan plan) => [.. new[] { "first", "second", "third" }.Select(name => plan.Find(name)!.KeptOutputs)];

    private static double[] Convex(Random random, int length)
    {
        double[] steps = [0, .. Enumerable.Range(0, length).Select(_ => random.NextDouble()).Order()];
        for (var i = 1; i < steps.Length; i++)
            steps[i] += steps[i - 1];
        return steps;
    }
}
