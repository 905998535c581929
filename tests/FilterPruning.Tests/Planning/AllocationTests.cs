using CsCheck;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Schedules;
using FilterPruning.Tests.Surgery;

namespace FilterPruning.Tests.Planning;

/// <summary>Allocation on a net of 3 → a → b → 4 channels with curves written down: the metric reads off the widths how much of a role is gone.</summary>
public class AllocationTests
{
    private const int A = 20;
    private const int B = 30;

    private static long Macs(int a, int b) => 128 * ((27L * a) + (9L * a * b) + (4L * b));

    /// <summary>The share of a layer's input channels that is gone.</summary>
    private static double Gone(TestConv reader, int before) => 1 - ((double)reader.weight.shape[1] / before);

    private static (DependencyGraph Graph, SensitivityResult Scan) Scanned(Func<double, double> first, Func<double, double> second)
    {
        var net = new ChainNet(A, B);
        var graph = net.Graph(TiedNet.Example());
        return (graph, SensitivityScan.Run(graph, () => 1 - first(Gone(net.second, A)) - second(Gone(net.last, B))));
    }

    private static (int A, int B) Widths(PruningPlan plan) => (plan.Find("first")!.KeptOutputs, plan.Find("second")!.KeptOutputs);

    [Fact]
    public void The_whole_budget_goes_where_it_costs_nothing()
    {
        using var scope = NewDisposeScope();
        var (graph, scan) = Scanned(_ => 0, x => x);
        var options = SensitivityAllocation.Allocate(graph, scan, new PruningOptions { Target = PruningTarget.KeepMacsShare(0.5) });
        var plan = PruningPlanner.CreatePlan(graph, options);
        Assert.Equal(B, Widths(plan).B);
        var best = Enumerable.Range(1, A).Last(a => Macs(a, B) <= Macs(A, B) / 2);
        Assert.Equal(best, Widths(plan).A);
        Assert.Null(options.Target);
        Assert.Equal(["first", "second"], options.LayerRatios.Select(entry => entry.Pattern));
    }

    [Theory]
    [InlineData(0.8)]
    [InlineData(0.5)]
    [InlineData(0.25)]
    public void Convex_curves_are_spent_nearly_as_well_as_can_be(double share)
    {
        using var scope = NewDisposeScope();
        double First(double x) => 0.6 * x * x;
        double Second(double x) => 0.2 * x * x * x;
        var (graph, scan) = Scanned(First, Second);
        var plan = PruningPlanner.CreatePlan(graph, SensitivityAllocation.Allocate(graph, scan, new PruningOptions { Target = PruningTarget.KeepMacsShare(share) }));
        var most = (long)(share * Macs(A, B));
        var (a, b) = Widths(plan);
        double Drop(int a, int b) => First(1 - ((double)a / A)) + Second(1 - ((double)b / B));
        Assert.InRange(Macs(a, b), most - (128 * 9 * (B + 3 + A)), most);

        // The scan's points are 10 % apart and the greedy walk keeps to them, so that the best widths of all may be a little better.
        var best = Enumerable.Range(1, A).SelectMany(x => Enumerable.Range(1, B).Where(y => Macs(x, y) <= most).Select(y => Drop(x, y))).Min();
        var even = PruningPlanner.CreatePlan(graph, new PruningOptions { Target = PruningTarget.KeepMacsShare(share) });
        Assert.True(Drop(a, b) <= 1.1 * best + 0.005, $"{a} x {b} drops {Drop(a, b)}, possible is {best}");
        Assert.True(Drop(a, b) < Drop(Widths(even).A, Widths(even).B));
    }

    [Fact]
    public void Noise_that_looks_like_a_gain_does_not_mislead()
    {
        using var scope = NewDisposeScope();
        // Dear at first and "better" afterwards: the hull sees a slope of 0.4 over the whole length, dearer than the other's 0.1.
        var (graph, scan) = Scanned(x => x is > 0 and < 0.5 ? 0.9 : 0.4 * x, x => 0.1 * x);
        var plan = PruningPlanner.CreatePlan(graph, SensitivityAllocation.Allocate(graph, scan, new PruningOptions { Ratio = 0.3 }));
        Assert.Equal((A, B - 15), Widths(plan));  // 15 of the 50 groups
    }

    [Fact]
    public void Ratios_of_the_caller_stay_and_multiples_hold()
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet(A, B);
        var graph = net.Graph(TiedNet.Example());
        var pruning = new PruningOptions { ChannelMultiple = 4, MaximumLayerRatio = 0.8 };
        var scan = SensitivityScan.Run(graph, () => 1 - Gone(net.second, A) - Gone(net.last, B), new SensitivityOptions { Pruning = pruning });
        var options = pruning with { Target = PruningTarget.KeepMacsShare(0.5), LayerRatios = [new("first", 0.2)] };
        var plan = PruningPlanner.CreatePlan(graph, SensitivityAllocation.Allocate(graph, scan, options));
        Assert.Equal(16, Widths(plan).A);
        Assert.Equal(Enumerable.Range(1, B).Last(b => b % 4 == 0 && Macs(16, b) <= Macs(A, B) / 2), Widths(plan).B);
    }

    [Fact]
    public void A_budget_below_the_scan_and_a_scan_of_another_model_are_refused()
    {
        using var scope = NewDisposeScope();
        var (graph, scan) = Scanned(x => x, x => x);
        var error = Assert.Throws<PruningOptionsException>(() => SensitivityAllocation.Allocate(graph, scan, new PruningOptions { Target = PruningTarget.AtMostMacs(1000) }));
        Assert.Contains($"allowed is {Macs(2, 3)} and more", error.Message, StringComparison.Ordinal);
        Assert.Throws<PruningException>(() => SensitivityAllocation.Allocate(new ChainNet(A, B + 1).Graph(TiedNet.Example()), scan, new PruningOptions { Ratio = 0.5 }));
        Assert.Throws<PruningException>(() => SensitivityAllocation.Allocate(new TiedNet().Graph(TiedNet.Example()), scan, new PruningOptions { Ratio = 0.5 }));
    }

    [Fact]
    public void Random_nets_meet_a_budget_by_allocation()
        => Gen.Select(RandomNetTests.Steps, Gen.Double[0.3, 0.9], Gen.Int[0, 100]).Sample((steps, share, seed) =>
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            var net = RandomNetTests.Build(steps);
            var graph = DependencyGraph.Trace(net, rand(1, 3, 6, 6));
            var random = new Random(seed);
            var scan = SensitivityScan.Run(graph, () => random.NextDouble(), new SensitivityOptions { Ratios = [0.2, 0.4, 0.6, 0.8] });
            var target = PruningTarget.KeepMacsShare(Math.Round(share, 2));
            PruningOptions options;
            try
            {
                options = SensitivityAllocation.Allocate(graph, scan, new PruningOptions { Target = target });
            }
            catch (PruningOptionsException error)
            {
                Assert.Contains("scan larger ratios", error.Message, StringComparison.Ordinal);
                return;
            }

            var plan = PruningPlanner.CreatePlan(graph, options);
            Assert.True(plan.Predicted.Macs <= target.Share!.Value * plan.Before.Macs);
        }, iter: 10, threads: 1, seed: "0N0XIzNsQ0O5");
}
