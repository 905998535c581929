using CsCheck;
using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Schedules;
using FilterPruning.Storage;
using FilterPruning.Tests.Storage;
using FilterPruning.Tests.Surgery;
using FilterPruning.Tests.Tracing;

namespace FilterPruning.Tests.Planning;

public class IterativeTests
{
    private static IterativeOptions Options(TrainedNet net, double ratio = 0.5, int steps = 3) => new()
    {
        Pruning = new PruningOptions { Ratio = ratio, Optimizers = [net.Optimizer] },
        Steps = steps,
        Shape = ScheduleShape.Linear,
    };

    [Fact]
    public void Steps_count_in_the_original_filters_and_end_at_the_ratio()
    {
        foreach (var shape in Enum.GetValues<ScheduleShape>())
        {
            using var net = new TrainedNet();
            var widths = new List<(int Stem, int Wide)>();
            var result = IterativePruner.Run(net.Model, net.Example, Options(net, 0.7, 4) with { Shape = shape }, step =>
            {
                widths.Add((step.Plan.Find("stem")!.KeptOutputs, step.Plan.Find("wide")!.KeptOutputs));
                net.Train(1);
            });
            var expected = Enumerable.Range(1, 4).Select(step => PruningSchedule.RemovedAfter(shape, 0.7, step, 4))
                .Select(share => ((int)(16 * (1 - (decimal)share)), (int)(24 * (1 - (decimal)share))));
            Assert.Equal(expected, widths);
            Assert.Equal((4, 7), widths[^1]);
            Assert.Equal(IterativeEnd.Completed, result.End);
            Assert.Equal(result.After.Parameters, net.Model.parameters().Sum(parameter => parameter.numel()));
            Assert.Equal(12 + 17, result.Plan.RemovedGroups);
            Assert.Equal(result.Plan.RemovedGroups, result.Steps.Sum(step => step.RemovedGroups));
            Assert.All(result.Steps, step => Assert.InRange(step.ProofError, 0, 1e-4));
        }
    }

    [Fact]
    public void Random_nets_end_where_one_cut_would_have_taken_them()
        => Gen.Select(RandomNetTests.Steps, Gen.Int[0, RankingScopes.All.Length - 1].Select(index => RankingScopes.All[index]), Gen.Enum<ScheduleShape>(), Gen.Int[1, 2]).Sample((steps, among, shape, multiple) =>
        {
            using var scope = NewDisposeScope();
            var net = RandomNetTests.Build(steps);
            var example = rand(1, 3, 6, 6);
            var options = new PruningOptions { Ratio = 0.5, Scope = among, ChannelMultiple = multiple, MaximumLayerRatio = 0.8, Criterion = new RandomCriterion(1) };
            var graph = DependencyGraph.Trace(net, example);
            var once = PruningPlanner.CreatePlan(graph, options);
            var result = IterativePruner.Run(net, example, new IterativeOptions { Pruning = options, Steps = 3, Shape = shape });
            if (among == PruningScope.Local)
                Assert.All(once.Layers, layer => Assert.Equal(layer.KeptOutputs, result.Plan.Find(layer.Name)!.KeptOutputs));
            else if (multiple == 1)
                Assert.Equal(once.RemovedGroups, RemovedOf(graph, result.Plan));
            Assert.Equal(result.After.Parameters, net.parameters().Sum(parameter => parameter.numel()));
            Assert.All(result.Plan.Layers, layer => Assert.True(layer.RemovedOutputs.Count <= 0.8 * layer.OutputChannels));
        }, iter: 10, threads: 1, seed: "8aYsijQ35Wp1");

    /// <summary>The original groups that a plan removes: a narrow grouped layer ties less than a wide one did, so that steps may count otherwise.</summary>
    private static int RemovedOf(DependencyGraph graph, PruningPlan plan)
        => graph.Groups.Count(group => group.Members.Any(member => member.Axis == ChannelAxis.Output && plan.Find(member.Layer)!.RemovedOutputs.Contains(member.Channel)));

    [Theory]
    [InlineData("macs:0.4")]
    [InlineData("parameters:0.3")]
    [InlineData("bytes:12k")]
    public void A_target_is_met_after_the_last_step(string text)
    {
        using var net = new TrainedNet();
        var target = PruningTarget.Parse(text);
        var whole = net.Model.state_dict().Values.Sum(tensor => tensor.numel() * tensor.element_size());
        var options = Options(net) with { Pruning = new PruningOptions { Target = target, Scope = PruningScope.Global, Normalization = ScoreNormalization.Mean, Optimizers = [net.Optimizer] } };
        var result = IterativePruner.Run(net.Model, net.Example, options, _ => net.Train(1));
        var (before, after) = target.Measure switch
        {
            TargetMeasure.Macs => (result.Before.Macs, result.After.Macs),
            TargetMeasure.Parameters => (result.Before.Parameters, result.After.Parameters),
            _ => (whole, net.Model.state_dict().Values.Sum(tensor => tensor.numel() * tensor.element_size())),
        };
        var most = target.Amount ?? (target.Share!.Value * before);
        Assert.InRange(after, 0.97 * most, most);  // a channel of this net is up to 3 %
        Assert.Equal(3, result.Steps.Count);
        Assert.True(result.Steps[0].After.Parameters > result.Steps[1].After.Parameters);
    }

    [Fact]
    public void The_plan_of_all_steps_saves_and_loads_the_model()
    {
        using var folder = new TemporaryFolder();
        using var net = new TrainedNet();
        var result = IterativePruner.Run(net.Model, net.Example, Options(net), _ => net.Train(1));
        PrunedModel.Save(net.Model, result.Plan, folder["small.safetensors"]);
        using var fresh = TrainedNet.Build();
        PrunedModel.Load(fresh, folder["small.safetensors"]);
        Assert.All(fresh.state_dict(), entry => Assert.True(entry.Value.equal(net.Model.state_dict()[entry.Key]).all().item<bool>()));
    }

    public static TheoryData<string> Optimizers => ["adam", "sgd", "rmsprop"];

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void The_guard_gives_the_last_good_step_back_bit_by_bit(string kind)
    {
        using var net = new TrainedNet(parameters => kind switch
        {
            "adam" => optim.Adam(parameters, lr: 0.01, amsgrad: true),
            "sgd" => optim.SGD(parameters, 0.01, momentum: 0.9),
            _ => optim.RMSProp(parameters, momentum: 0.5, centered: true),
        });
        net.Train();
        var digests = new List<string>();
        var values = new Queue<double>([0.9, 0.88, 0.85, 0.7]);
        var options = Options(net, 0.6, 5) with
        {
            Guard = new MetricGuard
            {
                MaximumDrop = 0.1,
                Metric = () =>
                {
                    digests.Add(net.Digest());
                    return values.Dequeue();
                },
            },
        };
        var result = IterativePruner.Run(net.Model, net.Example, options, step =>
        {
            net.Train();
            net.Optimizer.ParamGroups.First().LearningRate /= 2;
            if (step.Number == 3)
                net.Model.eval();
        });
        Assert.Equal(IterativeEnd.Guarded, result.End);
        Assert.Equal([true, true, false], result.Steps.Select(step => step.Kept));
        Assert.Equal((0.9, 0.7), (result.MetricBefore, result.Steps[2].Metric));
        Assert.NotEqual(digests[2], digests[3]);
        Assert.Equal(digests[2], net.Digest());
        Assert.Equal((int)(16 * (1 - 0.24m)), result.Plan.Find("stem")!.KeptOutputs);
        Assert.Equal(result.After.Parameters, net.Model.parameters().Sum(parameter => parameter.numel()));
        net.Train();
        Assert.NotEqual(digests[2], net.Digest());
    }

    [Fact]
    public void A_guard_that_trips_at_once_leaves_the_model_as_it_was()
    {
        using var net = new TrainedNet(parameters => optim.SGD(parameters, 0.01, momentum: 0.9));  // its momenta come with the first step
        var before = net.Digest();
        foreach (var value in new[] { 0.1, double.NaN })
        {
            var result = IterativePruner.Run(net.Model, net.Example, Options(net) with { Guard = new MetricGuard { Metric = () => value, Minimum = 0.5 } }, _ => net.Train());
            Assert.Equal((IterativeEnd.Guarded, 0, 1), (result.End, result.Plan.RemovedGroups, result.Steps.Count));
            Assert.Equal(result.Before, result.After);
            Assert.Equal(before, net.Digest());
        }
    }

    [Fact]
    public void Whatever_throws_leaves_everything_as_it_was()
    {
        using var net = new TrainedNet();
        net.Train();
        var before = net.Digest();
        var options = Options(net);
        Throws<InvalidTimeZoneException>(options, step => Fail(step.Number == 2));
        Throws<InvalidTimeZoneException>(options with { Guard = new MetricGuard { Minimum = 0, Metric = new Countdown(2).Value } }, _ => { });
        Throws<InvalidTimeZoneException>(options with { BeforeCut = (_, plan) => Fail(plan.Before.Parameters < 5000) }, _ => { });
        Throws<InvalidTimeZoneException>(options with { Progress = new Reporter(report => Fail(report.Number == 3)) }, _ => { });
        Throws<PruningOptionsException>(options with { Pruning = new PruningOptions { Target = PruningTarget.AtMostParameters(10), Optimizers = [net.Optimizer] } }, _ => { });
        using var cancellation = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => IterativePruner.Run(net.Model, net.Example, options, step =>
        {
            net.Train();
            if (step.Number == 2)
                cancellation.Cancel();
        }, cancellation.Token));
        Assert.Equal(before, net.Digest());

        void Throws<T>(IterativeOptions options, Action<IterativeStep> callback)
            where T : Exception
        {
            Assert.Throws<T>(() => IterativePruner.Run(net.Model, net.Example, options, step =>
            {
                net.Train();
                callback(step);
            }));
            Assert.Equal(before, net.Digest());
        }

        static void Fail(bool now)
        {
            if (now)
                throw new InvalidTimeZoneException();
        }
    }

    [Fact]
    public void Layers_of_native_code_come_back_too()
    {
        using var net = new TrainedNet(null, TrainedNet.Recurrent(), [6, 7, 5]);
        net.Train();
        var before = net.Digest();
        var options = Options(net);
        Assert.Throws<InvalidTimeZoneException>(() => IterativePruner.Run(net.Model, net.Example, options, step =>
        {
            net.Train();
            if (step.Number == 2)
                throw new InvalidTimeZoneException();
        }));
        Assert.Equal(before, net.Digest());

        var digests = new List<string>();
        var values = new Queue<double>([1, 1, 1, 0]);
        var guard = new MetricGuard { Minimum = 0.5, Metric = () => Remember(digests, net, values) };
        var result = IterativePruner.Run(net.Model, net.Example, options with { Guard = guard }, _ => net.Train());
        Assert.Equal((IterativeEnd.Guarded, digests[2]), (result.End, net.Digest()));
        Assert.True(result.Plan.RemovedGroups > 0);
        net.Train();
        Assert.Equal(result.After.Parameters, net.Model.parameters().Sum(parameter => parameter.numel()));
    }

    private static double Remember(List<string> digests, TrainedNet net, Queue<double> values)
    {
        digests.Add(net.Digest());
        return values.Dequeue();
    }

    [Fact]
    public void The_callback_can_end_the_run_and_sees_each_step()
    {
        using var net = new TrainedNet();
        var reports = new List<IterativeStepReport>();
        var result = IterativePruner.Run(net.Model, net.Example, Options(net) with { Progress = new Reporter(reports.Add) }, step =>
        {
            Assert.Equal(3, step.Steps);
            Assert.Equal(step.StepPlan.Predicted, step.Plan.Predicted);
            step.StopAfterThis = step.Number == 2;
        });
        Assert.Equal(IterativeEnd.Asked, result.End);
        Assert.Equal(result.Steps, reports);
        Assert.Equal(2, result.Steps.Count);
    }

    [Fact]
    public void A_replaced_parameter_is_refused()
    {
        using var net = new TrainedNet();
        var conv = (TorchSharp.Modules.Conv2d)((Net)net.Model)["wide"];
        var error = Assert.Throws<PruningException>(() => IterativePruner.Run(net.Model, net.Example, Options(net), _ => conv.bias = new TorchSharp.Modules.Parameter(zeros(conv.bias!.shape))));
        Assert.Contains("'wide.bias'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void All_bad_options_are_listed_at_once()
    {
        using var net = new TrainedNet();
        var error = Assert.Throws<PruningOptionsException>(() => IterativePruner.Run(net.Model, net.Example, new IterativeOptions
        {
            Pruning = new PruningOptions { Ratio = 2, MinimumWidth = 0 },
            Steps = 0,
            Shape = (ScheduleShape)8,
            Guard = new MetricGuard { Metric = null!, Minimum = double.NaN, MaximumDrop = -1 },
        }));
        Assert.Equal(8, error.Errors.Count);
        Assert.All(error.Errors, text => Assert.Contains("allowed", text, StringComparison.Ordinal));
    }

    [Fact]
    public void Nothing_is_left_alive_after_a_run()
    {
        using var net = new TrainedNet();
        net.Train(1);
        IterativePruner.Run(net.Model, net.Example, Options(net, 0.1, 1));
        var before = LiveTensors.Settled();
        IterativePruner.Run(net.Model, net.Example, Options(net) with { Guard = new MetricGuard { Metric = new Countdown(99).Value, Minimum = 0 } });
        Assert.Equal(before, LiveTensors.Settled());
    }

    private sealed class Countdown(int calls)
    {
        private int _left = calls;

        public double Value() => _left-- > 0 ? 1 : throw new InvalidTimeZoneException();
    }

    private sealed class Reporter(Action<IterativeStepReport> report) : IProgress<IterativeStepReport>
    {
        public void Report(IterativeStepReport value) => report(value);
    }
}
