using FilterPruning.Criteria;
using FilterPruning.Latency;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Schedules;
using FilterPruning.Tests.Recovery;
using FilterPruning.Tests.Storage;
using FilterPruning.Tests.Surgery;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Reliability;

/// <summary>Whatever takes a token, cancelled during any forward of the model or at any report, leaves the model, its optimizer, torch's random state and what lies in files as they were.</summary>
public sealed class CancellationTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("calibration")]
    [InlineData("repair")]
    [InlineData("repair without data")]
    [InlineData("compensation")]
    [InlineData("moments")]
    [InlineData("recalibration")]
    [InlineData("allocation")]
    [InlineData("scan")]
    [InlineData("steps")]
    [InlineData("latency")]
    public void A_call_cancelled_anywhere_changes_nothing(string what)
    {
        using var scope = NewDisposeScope();
        var net = RepairCase.Norms();
        net.Model.train();
        Norm(net, "nb").eval(); // flags that a restore of the whole would lose
        using var optimizer = optim.SGD(net.Model.parameters(), 0.01, momentum: 0.9);
        net.Model.call(RepairCase.Noise(3)).square().mean().backward();
        optimizer.step();
        Norm(net, "na").eval();
        var sample = what == "allocation" ? CalibrationSample.Collect(net.Model, net.Graph, RepairCase.Inputs(2)) : null;
        var before = State.Of(net.Model);
        var moments = OptimizerKinds.ReadCopies(optimizer);
        var random = get_rng_state().data<byte>().ToArray();

        var (forwards, cancelled) = (0, 0);
        var at = 0;
        var source = new CancellationTokenSource();
        using var hook = new Forwards(net.Model, () => Happened());
        for (at = 1; ; at = at < 8 ? at + 1 : at + (at / 3))
        {
            (forwards, var ended) = (0, false);
            source.Dispose();
            source = new CancellationTokenSource();
            try
            {
                Run(what, net, sample, optimizer, Happened, source.Token);
                ended = true; // cancelled too late, or not at all
            }
            catch (OperationCanceledException)
            {
                cancelled++;
            }

            if (what == "scan")
                Assert.All(File.ReadAllLines(_folder["scan.jsonl"]), line => Assert.EndsWith("}", line, StringComparison.Ordinal));
            if (ended)
                break;
            before.AssertSame(net.Model);
            OptimizerKinds.AssertSame(moments, OptimizerKinds.Read(optimizer));
            Assert.Equal(random, get_rng_state().data<byte>().ToArray());
            File.Delete(_folder["scan.jsonl"]);
        }

        Assert.True(cancelled >= 2, $"cancelled {cancelled} times, {forwards} things happened");
        sample?.Dispose();
        source.Dispose();

        void Happened()
        {
            if (++forwards == at)
                source.Cancel();
        }
    }

    private void Run(string what, RepairCase net, CalibrationSample? sample, OptimizerHelper optimizer, Action happened, CancellationToken token)
    {
        var inputs = RepairCase.Inputs(2);
        switch (what)
        {
            case "calibration":
                CalibrationSample.Collect(net.Model, net.Graph, inputs, new CalibrationOptions { Progress = new Told<double>(happened) }, token).Dispose();
                break;
            case "repair":
                Undone(net, () => LeastSquaresRepair.Apply(net.Model, net.Graph, net.Plan, inputs, new RepairOptions { Progress = new Told<RepairProgress>(happened) }, token));
                break;
            case "repair without data":
                Undone(net, () => DataFreeRepair.Apply(net.Model, net.Graph, net.Plan, inputs, new RepairOptions { Progress = new Told<RepairProgress>(happened) }, token));
                break;
            case "compensation":
                Undone(net, () => BiasCompensation.Apply(net.Model, net.Graph, net.Plan, inputs, new CompensationOptions { Progress = new Told<RepairProgress>(happened) }, token));
                break;
            case "moments":
                Undone(net, () => MomentMatching.Apply(net.Model, net.Graph, net.Plan, inputs, new CompensationOptions { Progress = new Told<RepairProgress>(happened) }, token));
                break;
            case "recalibration":
                Undone(net, () => BatchNormRecalibration.Apply(net.Model, inputs, new RecalibrationOptions { Progress = new Told<RepairProgress>(happened) }, token));
                break;
            case "allocation":
                ReconstructionAllocation.Plan(sample!, new PruningOptions { Ratio = 0.3, Scope = PruningScope.Allocated }, new AllocationOptions { Progress = new Told<double>(happened) }, token);
                break;
            case "scan":
                SensitivityScan.Run(
                    net.Graph, () => 1, new SensitivityOptions { Ratios = [0.25, 0.5], File = _folder["scan.jsonl"], Progress = new Told<SensitivityProgress>(happened), Pruning = new PruningOptions { Optimizers = [optimizer] } }, token);
                break;
            case "steps":
                var options = new IterativeOptions { Steps = 2, Pruning = new PruningOptions { Ratio = 0.5, Criterion = new L1Criterion(), Optimizers = [optimizer] } };
                IterativePruner.Run(net.Model, inputs[0], options, _ => happened(), token);
                break;
            default:
                LatencyModel.Measure(net.Graph, new LatencyOptions { Repeats = 1, Shares = [0.5, 1], MeasureMultiple = false, Progress = new Told<double>(happened) }, token);
                break;
        }
    }

    private static nn.Module Norm(RepairCase net, string name) => net.Model.named_modules().Single(entry => entry.name == name).module;

    // A repair that was cancelled too late is a repair; the next attempt must begin with the same model.
    private static void Undone(RepairCase net, Action repair)
    {
        var before = State.Of(net.Model);
        repair();
        before.WriteTo(net.Model);
    }

    private sealed class Told<T>(Action happened) : IProgress<T>
    {
        public void Report(T value) => happened();
    }

    /// <summary>Tells of each forward of the model.</summary>
    private sealed class Forwards : IDisposable
    {
        private readonly Action _remove;

        public Forwards(nn.Module<Tensor, Tensor> model, Action happened)
        {
            var hook = model.register_forward_pre_hook((_, input) =>
            {
                happened();
                return input;
            });
            _remove = hook.remove;
        }

        public void Dispose() => _remove();
    }
}
