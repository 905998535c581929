using FilterPruning.Criteria;
using FilterPruning.Planning;
using FilterPruning.Tests.Surgery;

namespace FilterPruning.Tests.Planning;

/// <summary>Targets on a net whose cost is a formula: three layers of 3 → a → b → 4 channels, kernels 3, 3 and 1, on two pictures of 8 × 8.</summary>
public class TargetTests
{
    private const int A = 24;
    private const int B = 40;

    private static long Parameters(int a, int b) => (28L * a) + (9L * a * b) + (5L * b) + 4;

    private static long Macs(int a, int b) => 128 * ((27L * a) + (9L * a * b) + (4L * b));

    private static long Formula(TargetMeasure measure, int a, int b) => measure switch
    {
        TargetMeasure.Parameters => Parameters(a, b),
        TargetMeasure.Macs => Macs(a, b),
        _ => 4 * Parameters(a, b),
    };

    private static PruningTarget Target(TargetMeasure measure, double share) => measure switch
    {
        TargetMeasure.Parameters => PruningTarget.KeepParametersShare(share),
        TargetMeasure.Macs => PruningTarget.KeepMacsShare(share),
        _ => PruningTarget.KeepBytesShare(share),
    };

    public static TheoryData<TargetMeasure, PruningScope, int> Cases()
    {
        var data = new TheoryData<TargetMeasure, PruningScope, int>();
        foreach (var measure in new[] { TargetMeasure.Parameters, TargetMeasure.Macs, TargetMeasure.Bytes })
        {
            foreach (var scope in RankingScopes.All)
            {
                data.Add(measure, scope, 1);
                data.Add(measure, scope, 4);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_plan_is_within_a_step_of_the_target_and_never_above_it(TargetMeasure measure, PruningScope scope, int multiple)
    {
        using var dispose = NewDisposeScope();
        var graph = new ChainNet(A, B).Graph(TiedNet.Example());
        var widthsOfA = Enumerable.Range(1, A).Where(a => a % multiple == 0).ToArray();
        var widthsOfB = Enumerable.Range(1, B).Where(b => b % multiple == 0).ToArray();
        foreach (var share in new[] { 0.9, 0.75, 0.5, 0.31, 0.2 })
        {
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions
            {
                Target = Target(measure, share),
                Scope = scope,
                ChannelMultiple = multiple,
                Criterion = new RandomCriterion(3),
            });
            var (a, b) = (plan.Find("first")!.KeptOutputs, plan.Find("second")!.KeptOutputs);
            var most = (long)(Formula(measure, A, B) * (decimal)share);
            var reached = Formula(measure, a, b);
            Assert.Contains(a, widthsOfA);
            Assert.Contains(b, widthsOfB);
            Assert.Equal(new Cost(Parameters(a, b), Macs(a, b)), plan.Predicted);
            Assert.True(reached <= most);

            // What is left over is less than the cheapest step, unless it is next to nothing.
            var cheapest = new[] { a + multiple <= A ? Formula(measure, a + multiple, b) : long.MaxValue, b + multiple <= B ? Formula(measure, a, b + multiple) : long.MaxValue }.Min();
            Assert.True(cheapest > most || most - reached <= most / 1000, $"{share}: {a} x {b} costs {reached} of {most}");

            // Wherever any widths at all come within 1 %, these do.
            var best = widthsOfA.SelectMany(x => widthsOfB.Select(y => Formula(measure, x, y))).Where(cost => cost <= most).Max();
            Assert.True(reached >= 0.99 * most || reached == best || best < 0.99 * most, $"{share}: {reached} of {most}, possible is {best}");
        }
    }

    [Fact]
    public void A_role_of_coarse_steps_does_not_make_the_others_uneven()
    {
        using var scope = NewDisposeScope();
        // mix and grouped go in four groups of four channels, a fifth of the MACs each.
        var graph = new TiedNet().Graph(TiedNet.Example());
        foreach (var share in new[] { 0.8, 0.7, 0.6, 0.5, 0.4 })
        {
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Target = PruningTarget.KeepMacsShare(share) });
            Assert.InRange((double)plan.Predicted.Macs / plan.Before.Macs, 0.99 * share, share);
        }
    }

    [Fact]
    public void Filters_are_the_ratio_turned_round()
    {
        using var scope = NewDisposeScope();
        var graph = new TiedNet().Graph(TiedNet.Example());
        foreach (var among in RankingScopes.All)
        {
            for (var tenth = 1; tenth <= 10; tenth++)
            {
                var ratio = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = (10 - tenth) / 10.0, Scope = among });
                var target = PruningPlanner.CreatePlan(graph, new PruningOptions { Target = PruningTarget.KeepFiltersShare(tenth / 10.0), Scope = among });
                foreach (var (a, b) in ratio.Layers.Zip(target.Layers))
                    Assert.Equal(a.RemovedOutputs, b.RemovedOutputs);
            }
        }
    }

    [Fact]
    public void Amounts_count_as_the_shares_they_are()
    {
        using var scope = NewDisposeScope();
        var graph = new ChainNet(A, B).Graph(TiedNet.Example());
        var share = PruningPlanner.CreatePlan(graph, new PruningOptions { Target = PruningTarget.KeepMacsShare(0.5) });
        var amount = PruningPlanner.CreatePlan(graph, new PruningOptions { Target = PruningTarget.AtMostMacs(Macs(A, B) / 2) });
        Assert.Equal(share.Predicted, amount.Predicted);
        Assert.Equal(0, PruningPlanner.CreatePlan(graph, new PruningOptions { Target = PruningTarget.AtMostBytes(1L << 40) }).RemovedGroups);
        Assert.Equal(0, PruningPlanner.CreatePlan(graph, new PruningOptions { Target = PruningTarget.KeepParametersShare(1) }).RemovedGroups);
    }

    [Fact]
    public void Bytes_are_those_of_the_state_dict_with_buffers_at_each_element_size()
    {
        using var scope = NewDisposeScope();
        var net = new TiedNet();
        var graph = net.Graph(TiedNet.Example());
        foreach (var (layer, type) in new (nn.Module, ScalarType)[] { (net.fc, float16), (net.stem, float64) })
            layer.to(type);
        long Stored() => net.state_dict().Values.Sum(tensor => tensor.numel() * tensor.element_size());
        Assert.Equal(Stored(), StoredBytes.Measure(graph));
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Target = PruningTarget.KeepBytesShare(0.5), Scope = PruningScope.Global });
        var predicted = StoredBytes.Predict(graph, plan.Layers);
        var whole = Stored();
        Assert.InRange(predicted, 0.98 * whole / 2, whole / 2);
    }

    [Fact]
    public void A_target_out_of_reach_names_the_range()
    {
        using var scope = NewDisposeScope();
        var graph = new ChainNet(A, B).Graph(TiedNet.Example());
        foreach (var among in RankingScopes.All)
        {
            var options = new PruningOptions { Target = PruningTarget.AtMostParameters(40), Scope = among };
            Expect(options, Parameters(1, 1), Parameters(A, B));
            Expect(options with { MinimumWidth = 8 }, Parameters(8, 8), Parameters(A, B));
            Expect(options with { MaximumLayerRatio = 0.5 }, Parameters(12, 20), Parameters(A, B));
            Expect(options with { Ignore = ["first"] }, Parameters(A, 1), Parameters(A, B));
            Expect(options with { LayerRatios = [new("second", 0.5)] }, Parameters(1, 20), Parameters(A, 20));
            Expect(options with { ChannelMultiple = 16 }, Parameters(16, 16), Parameters(A, B));

            // The lower end of the range can be reached, and one less cannot.
            Assert.Equal(Parameters(8, 8), PruningPlanner.CreatePlan(graph, options with { MinimumWidth = 8, Target = PruningTarget.AtMostParameters(Parameters(8, 8)) }).Predicted.Parameters);
        }

        void Expect(PruningOptions options, long least, long most)
        {
            var error = Assert.Throws<PruningOptionsException>(() => PruningPlanner.CreatePlan(graph, options));
            Assert.Contains($"allowed is {least} to {most},", error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("macs:0.5", "macs:0.5")]
    [InlineData("Macs: 50%", "macs:0.5")]
    [InlineData("parameters:3.5M", "parameters:3500000")]
    [InlineData("bytes:20MB", "bytes:20000000")]
    [InlineData("bytes:20MiB", "bytes:20971520")]
    [InlineData("bytes:1.5k", "bytes:1500")]
    [InlineData("filters:1", "filters:1")]
    [InlineData("filters:0.1%", "filters:0.001")]
    public void Texts_are_read_and_written(string text, string written)
    {
        var target = PruningTarget.Parse(text);
        Assert.Equal(written, target.ToString());
        Assert.Equal(target, PruningTarget.Parse(written));
        Assert.True(target.Share is null != target.Amount is null);
    }

    [Theory]
    [InlineData("macs")]
    [InlineData("macs:")]
    [InlineData("macs:0")]
    [InlineData("macs:-0.5")]
    [InlineData("macs:1.5")]
    [InlineData("macs:101%")]
    [InlineData("macs:1e3")]
    [InlineData("macs:half")]
    [InlineData("macs:99999999999G")]
    [InlineData("filters:100")]
    [InlineData("2:0.5")]
    [InlineData("flops:0.5")]
    public void Other_texts_are_refused(string text) => Assert.ThrowsAny<ArgumentException>(() => PruningTarget.Parse(text));

    [Fact]
    public void Shares_and_amounts_outside_their_ranges_are_refused()
    {
        foreach (var share in new[] { 0, -0.1, 1.01, double.NaN, double.PositiveInfinity })
            Assert.Throws<ArgumentOutOfRangeException>(() => PruningTarget.KeepMacsShare(share));
        Assert.Throws<ArgumentOutOfRangeException>(() => PruningTarget.AtMostBytes(0));
    }
}
