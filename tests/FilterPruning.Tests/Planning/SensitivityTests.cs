using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Schedules;
using FilterPruning.Surgery;
using FilterPruning.Tests.Storage;
using FilterPruning.Tests.Surgery;
using FilterPruning.Tests.Tracing;

namespace FilterPruning.Tests.Planning;

public class SensitivityTests
{
    private static readonly double[] _ratios = [0.25, 0.5, 0.75];

    private static double Response(TrainedNet net)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        net.Model.eval();
        return -net.Model.call(net.Example).square().sum().item<float>();
    }

    [Fact]
    public void Each_point_is_the_metric_of_the_model_that_was_really_cut()
    {
        using var net = new TrainedNet();
        net.Train(3);
        net.Model.eval();
        var before = net.Digest();
        var graph = DependencyGraph.Trace(net.Model, net.Example);
        var scan = SensitivityScan.Run(graph, () => Response(net), new SensitivityOptions { Ratios = _ratios });
        Assert.Equal(before, net.Digest());
        Assert.Equal(["stem", "wide"], scan.Points.Select(point => point.Role).Distinct());
        Assert.Equal(Response(net), scan.Baseline);
        foreach (var point in scan.Points)
        {
            Assert.Equal((int)(point.Ratio * point.Of), point.Removed);
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { LayerRatios = [new(point.Role, point.Ratio)] });
            using var cut = Surgeon.Apply(graph, plan);
            Assert.Equal(Response(net), point.Metric, 1e-4 * Math.Abs(point.Metric));
            Assert.NotEqual(scan.Baseline, point.Metric, 1e-6);
            cut.Undo();
        }
    }

    [Fact]
    public void Layers_of_native_code_are_scanned_and_left_as_found()
    {
        using var net = new TrainedNet(null, TrainedNet.Recurrent(), [6, 7, 5]);
        net.Train();
        net.Model.eval();
        var before = net.Digest();
        var graph = DependencyGraph.Trace(net.Model, net.Example);
        var scan = SensitivityScan.Run(graph, () => Response(net), new SensitivityOptions { Ratios = [0.5], Pruning = new PruningOptions { Optimizers = [net.Optimizer] } });
        Assert.Equal(before, net.Digest());
        Assert.Equal(["first", "second"], scan.Points.Select(point => point.Role));
        Assert.All(scan.Points, point => Assert.NotEqual(scan.Baseline, point.Metric, 1e-6));
    }

    [Fact]
    public void A_point_is_measured_once_and_not_at_all_where_nothing_goes()
    {
        using var scope = NewDisposeScope();
        var graph = new ChainNet(4, 3).Graph(TiedNet.Example());
        var calls = 0;
        var reports = new List<SensitivityProgress>();
        var scan = SensitivityScan.Run(graph, () => ++calls, new SensitivityOptions { Ratios = [0.1, 0.3, 0.4, 0.8], Progress = new Reporter(reports.Add) });
        // Of 4 channels 1, 2, 2 and 4, less the one that stays; of 3 channels 1, 1, 2 and 2: what is kept is rounded down.
        Assert.Equal([1, 2, 2, 3, 1, 1, 2, 2], scan.Points.Select(point => point.Removed));
        Assert.Equal([2, 3, 3, 4, 5, 5, 6, 6], scan.Points.Select(point => point.Metric));
        Assert.Equal(Enumerable.Range(1, 8), reports.Select(report => report.Done));
        Assert.All(reports, report => Assert.Equal(8, report.Total));
        Assert.Contains("second", scan.ToText(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(7)]
    public void A_scan_that_was_killed_goes_on_to_the_same_result(int lastCall)
    {
        using var folder = new TemporaryFolder();
        using var net = new TrainedNet();
        var graph = DependencyGraph.Trace(net.Model, net.Example);
        var options = new SensitivityOptions { Ratios = _ratios, Label = "response" };
        var whole = SensitivityScan.Run(graph, () => Response(net), options with { File = folder["whole.jsonl"] });
        var text = File.ReadAllText(folder["whole.jsonl"]);
        Assert.Equal(1 + 6, text.Count(character => character == '\n'));

        var before = net.Digest();
        var calls = 0;
        options = options with { File = folder["broken.jsonl"] };
        Assert.Throws<InvalidTimeZoneException>(() => SensitivityScan.Run(graph, () => ++calls == lastCall ? throw new InvalidTimeZoneException() : Response(net), options));
        Assert.Equal(before, net.Digest());
        Assert.Equal(lastCall, File.ReadAllText(folder["broken.jsonl"]).Count(character => character == '\n') + 1);
        File.AppendAllText(folder["broken.jsonl"], text[..17]);  // killed while it wrote

        var resumed = SensitivityScan.Run(graph, () => Measured(ref calls, net), options);
        Assert.Equal(7 + 1, calls);
        Assert.Equal(text, File.ReadAllText(folder["broken.jsonl"]));
        foreach (var scan in new[] { resumed, SensitivityScan.Load(folder["broken.jsonl"]) })
        {
            Assert.Equal(whole.Points, scan.Points);
            Assert.Equal((whole.Baseline, whole.ToText()), (scan.Baseline, scan.ToText()));
        }

        // A finished scan is only read.
        SensitivityScan.Run(graph, () => throw new InvalidTimeZoneException(), options);
    }

    private static double Measured(ref int calls, TrainedNet net)
    {
        calls++;
        return Response(net);
    }

    [Fact]
    public void A_file_of_another_scan_or_a_damaged_one_is_refused()
    {
        using var folder = new TemporaryFolder();
        using var net = new TrainedNet();
        var graph = DependencyGraph.Trace(net.Model, net.Example);
        var options = new SensitivityOptions { Ratios = _ratios, File = folder["scan.jsonl"] };
        SensitivityScan.Run(graph, () => 1, options);
        var text = File.ReadAllText(folder["scan.jsonl"]);

        Refused(options with { Label = "other" }, "the label");
        Refused(options with { Ratios = [0.25, 0.5] }, "the ratios and the number of points");
        Refused(options with { Pruning = new PruningOptions { Criterion = new L2Criterion() } }, "the pruning options");
        foreach (var (damaged, says) in new[]
        {
            (text.Replace("\"removed\"", "\"moved\"", StringComparison.Ordinal), "Line 2"), (text.Replace("0.75", "0.85", StringComparison.Ordinal), "the ratios"),
            (text + text.Split('\n')[3] + "\n", "Line 8"), (text.Replace("\"stem\"", "\"stum\"", StringComparison.Ordinal), "Line 2"), ("x\n", "Line 1"), ("{}\n", "Line 1"),
        })
        {
            File.WriteAllText(folder["scan.jsonl"], damaged);
            Refused(options, says);
            Assert.Equal(damaged, File.ReadAllText(folder["scan.jsonl"]));
        }

        File.WriteAllText(folder["scan.jsonl"], text[..(text.LastIndexOf('{') - 1)] + "\n");
        Assert.Contains("5 of its 6", Assert.Throws<PruningException>(() => SensitivityScan.Load(folder["scan.jsonl"])).Message, StringComparison.Ordinal);
        Assert.Throws<PruningException>(() => SensitivityScan.Load(folder["none.jsonl"]));
        net.Train(1);
        Refused(options, "weights");

        void Refused(SensitivityOptions options, string says)
            => Assert.Contains(says, Assert.Throws<PruningException>(() => SensitivityScan.Run(graph, () => 1, options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bad_options_and_metrics_are_refused_and_cancellation_leaves_the_model()
    {
        using var net = new TrainedNet();
        var graph = DependencyGraph.Trace(net.Model, net.Example);
        var before = net.Digest();
        Assert.Equal(4, Assert.Throws<PruningOptionsException>(() => SensitivityScan.Run(
            graph, () => 1, new SensitivityOptions { Pruning = new PruningOptions { MinimumWidth = 0 }, Ratios = [0.5, 0.25], Label = null!, File = "" })).Errors.Count);
        var calls = 0;
        Assert.Contains("'stem'", Assert.Throws<PruningException>(() => SensitivityScan.Run(graph, () => ++calls == 3 ? double.NaN : 1)).Message, StringComparison.Ordinal);
        using var cancellation = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => SensitivityScan.Run(graph, () => Cancel(cancellation), null, cancellation.Token));
        Assert.Equal(before, net.Digest());

        static double Cancel(CancellationTokenSource cancellation)
        {
            cancellation.Cancel();
            return 1;
        }
    }

    [Fact]
    public void Roles_without_a_layer_of_their_own_are_one_unit()
    {
        using var scope = NewDisposeScope();
        var graph = DependencyGraph.Trace(Nets.Slice(writtenDown: false), rand(1, 3, 8, 8));
        var scan = SensitivityScan.Run(graph, () => 1, new SensitivityOptions { Ratios = [0.5] });
        Assert.Equal(scan.Points.Count, scan.Points.Select(point => point.Role).Distinct().Count());
        foreach (var point in scan.Points)
        {
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { LayerRatios = [new(point.Role, 0.5)] });
            Assert.Equal(point.Removed, plan.RemovedGroups);
        }
    }

    private sealed class Reporter(Action<SensitivityProgress> report) : IProgress<SensitivityProgress>
    {
        public void Report(SensitivityProgress value) => report(value);
    }
}
