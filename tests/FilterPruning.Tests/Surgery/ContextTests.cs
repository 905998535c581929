using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Tests.Tracing;
using Microsoft.Extensions.Logging;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Surgery;

/// <summary>What surrounds a call: progress, cancellation, logging.</summary>
public class ContextTests
{
    private static readonly PruningOptions _half = new() { Ratio = 0.5, Criterion = new RandomCriterion(5), VerifyTrace = true };

    [Fact]
    public void Progress_passes_through_every_stage_in_order_and_never_goes_back()
    {
        using var scope = NewDisposeScope();
        var seen = new List<PruningProgress>();
        Pruner.Prune(Nets.Residual(), rand(2, 3, 16, 16), _half, new PruningContext { Progress = new Listener(seen.Add) });
        Assert.Equal(Enum.GetValues<PruningStage>(), seen.Select(report => report.Stage).Distinct());
        Assert.Equal(seen.OrderBy(report => report.Stage).ThenBy(report => report.Done), seen);
        foreach (var stage in seen.GroupBy(report => report.Stage))
        {
            Assert.Single(stage.Select(report => report.Total).Distinct());
            Assert.Equal(0, stage.First().Done);
            Assert.Equal(stage.Last().Total, stage.Last().Done);
        }
    }

    [Fact]
    public void A_call_cancelled_at_any_report_changes_nothing()
    {
        using var scope = NewDisposeScope();
        var net = Nets.Residual();
        var example = rand(2, 3, 16, 16);
        using var optimizer = new Adam(net.parameters(), 1e-3);
        net.call(example).square().mean().backward();
        optimizer.step();
        net["norm"].eval();
        ((Conv2d)net["first"]).bias!.requires_grad = false;
        var hooked = 0;
        var hook = net["inner"].register_forward_hook((_, _, output) =>
        {
            hooked++;
            return output;
        });
        var options = _half with { Optimizers = [optimizer] };
        var before = State.Of(net);
        var states = OptimizerKinds.ReadCopies(optimizer);
        var random = get_rng_state();

        var stages = new List<PruningStage>();
        for (var n = 1; ; n++)
        {
            using var source = new CancellationTokenSource();
            var reports = 0;
            var listener = new Listener(report =>
            {
                if (++reports != n)
                    return;
                stages.Add(report.Stage);
                source.Cancel();
            });
            try
            {
                Pruner.Prune(net, example, options, new PruningContext { Progress = listener, CancellationToken = source.Token });
                break;  // the last report comes when the call is done
            }
            catch (OperationCanceledException)
            {
            }

            Assert.True(is_grad_enabled());
            Assert.True(random.equal(get_rng_state()).all().item<bool>());
            before.AssertSame(net);
            OptimizerKinds.AssertSame(states, OptimizerKinds.Read(optimizer));
            hooked = 0;
            net.call(example);
            Assert.Equal(1, hooked);
            net["norm"].eval();
        }

        Assert.Equal(Enum.GetValues<PruningStage>(), stages.Distinct());
        Assert.Equal(4, ((Conv2d)net["first"]).weight.shape[0]);
        hook.remove();
    }

    [Fact]
    public void A_call_cancelled_during_any_forward_changes_nothing_and_runs_no_further_one()
    {
        using var scope = NewDisposeScope();
        var net = Nets.Chain();
        var example = rand(1, 3, 8, 8);
        var before = State.Of(net);
        for (var n = 1; ; n++)
        {
            using var source = new CancellationTokenSource();
            var forwards = 0;
            object? Forward(Net model)
            {
                if (++forwards == n)
                    source.Cancel();
                return model.call(example);
            }

            try
            {
                Pruner.Prune(net, Forward, _half with { VerifyTrace = n % 2 == 0 }, new PruningContext { CancellationToken = source.Token });
                Assert.True(n > forwards);
                break;
            }
            catch (OperationCanceledException)
            {
                Assert.Equal(n, forwards);
                before.AssertSame(net);
            }
        }

        Assert.Equal(4, ((Conv2d)net["first"]).weight.shape[0]);
    }

    [Fact]
    public void A_token_cancelled_before_the_call_stops_it_before_the_model_is_run()
    {
        using var scope = NewDisposeScope();
        var context = new PruningContext { CancellationToken = new CancellationToken(true) };
        Assert.Throws<OperationCanceledException>(() => Pruner.Prune(Nets.Chain(), _ => throw new InvalidOperationException("was run"), _half, context));
    }

    [Fact]
    public void A_listener_that_throws_at_the_very_end_takes_the_cut_back()
    {
        using var scope = NewDisposeScope();
        var net = Nets.Residual();
        var before = State.Of(net);
        var context = new PruningContext
        {
            Progress = new Listener(report =>
            {
                if (report is { Stage: PruningStage.Report, Done: 1 })
                    throw new InvalidOperationException("asked to fail");
            }),
        };
        Assert.Throws<InvalidOperationException>(() => Pruner.Prune(net, rand(2, 3, 16, 16), _half, context));
        before.AssertSame(net);
    }

    [Fact]
    public void Events_carry_their_ids_and_values()
    {
        using var scope = NewDisposeScope();
        var log = new LogBook();
        var report = Pruner.Prune(Nets.Residual(), rand(2, 3, 16, 16), _half, log);
        Assert.Equal([PruningEvents.Traced, PruningEvents.Planned, PruningEvents.LayerKept, PruningEvents.Cut, PruningEvents.Done], log.Entries.Select(entry => entry.Id).Distinct());
        Assert.Equal(report.Plan.RemovedGroups, log.Entries.Single(entry => entry.Id == PruningEvents.Planned).Values["Removed"]);
        Assert.Equal("last", log.Entries.Single(entry => entry.Id == PruningEvents.LayerKept).Values["Layer"]);

        log.Entries.Clear();
        Assert.Throws<OperationCanceledException>(() =>
            Pruner.Prune(Nets.Residual(), rand(2, 3, 16, 16), _half, new PruningContext { Logger = log, CancellationToken = new CancellationToken(true) }));
        Assert.Equal([PruningEvents.Cancelled], log.Entries.Select(entry => entry.Id));

        log.Entries.Clear();
        Assert.Throws<PruningException>(() => Pruner.Prune(Nets.Residual(), _ => throw new InvalidOperationException("broken"), _half, log));
        var failed = Assert.Single(log.Entries);
        Assert.Equal((PruningEvents.Failed, LogLevel.Error, PruningStage.Trace), (failed.Id, failed.Level, failed.Values["Stage"]));
    }

    [Fact]
    public void Event_ids_are_unique_and_a_null_logger_means_none()
    {
        using var scope = NewDisposeScope();
        var ids = typeof(PruningEvents).GetFields().Select(field => (int)field.GetRawConstantValue()!).ToList();
        Assert.Equal(ids.Count, ids.Distinct().Count());
        Assert.NotNull(Pruner.Prune(Nets.Chain(), rand(2, 3, 16, 16), _half, null));
        Assert.NotNull(Pruner.Prune(Nets.Chain(), net => net.call(rand(2, 3, 16, 16)), _half, null));
        Assert.Throws<ArgumentNullException>(() => Pruner.Prune(Nets.Chain(), rand(2, 3, 16, 16), _half, context: null!));
    }

    [Fact]
    public void A_forgotten_optimizer_is_cut_afterwards_by_one_line()
    {
        using var scope = NewDisposeScope();
        var example = rand(2, 3, 16, 16);
        var (named, namedOptimizer) = Trained();
        var (forgotten, forgottenOptimizer) = Trained();
        Pruner.Prune(named, example, _half with { Optimizers = [namedOptimizer] });
        var report = Pruner.Prune(forgotten, example, _half);

        report.CutOptimizer(forgottenOptimizer);
        report.CutOptimizer(forgottenOptimizer);

        OptimizerKinds.AssertSame(OptimizerKinds.Read(namedOptimizer), OptimizerKinds.Read(forgottenOptimizer));
        Step(forgotten, forgottenOptimizer);
        Assert.Throws<ArgumentException>(() => report.CutOptimizer(optim.LBFGS(forgotten.parameters())));
        namedOptimizer.Dispose();
        forgottenOptimizer.Dispose();

        (Net, OptimizerHelper) Trained()
        {
            manual_seed(3);
            var net = Nets.Residual();
            var optimizer = OptimizerKinds.Make("Adam amsgrad", net.parameters());
            Step(net, optimizer);
            return (net, optimizer);
        }

        void Step(Net net, OptimizerHelper optimizer)
        {
            optimizer.zero_grad();
            net.call(example).square().mean().backward();
            optimizer.step();
        }
    }

    private sealed class Listener(Action<PruningProgress> onReport) : IProgress<PruningProgress>
    {
        public void Report(PruningProgress value) => onReport(value);
    }

    private sealed class LogBook : ILogger
    {
        public List<(int Id, LogLevel Level, Dictionary<string, object?> Values)> Entries { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            => Entries.Add((eventId.Id, logLevel, ((IReadOnlyList<KeyValuePair<string, object?>>)state!).ToDictionary(pair => pair.Key, pair => pair.Value)));
    }
}
