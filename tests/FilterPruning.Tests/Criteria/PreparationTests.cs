using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;
using Net = FilterPruning.Tests.Tracing.Net;

namespace FilterPruning.Tests.Criteria;

public class PreparationTests
{
    public static TheoryData<string> WithData => ["taylor", "fisher", "apoz", "mean-activation", "sum", "ranks"];

    public static TheoryData<string> All => ["bn-scale", .. WithData.Select(row => row.Data)];

    [Theory]
    [MemberData(nameof(All))]
    public void Preparing_leaves_the_model_exactly_as_found(string name)
    {
        using var scope = NewDisposeScope();
        using var net = Small.Residual();
        var graph = Small.Graph(net, 2, 3, 5, 5);
        net.train();
        net["norm2"].eval();
        net["widen"].get_parameter("weight")!.requires_grad = false;
        net.call(Small.Picture(7, 2)).sum().backward();
        var before = Found(net);
        var random = get_rng_state();

        // The worst a batch may do: it trains the norms, draws random numbers and propagates a loss back by itself.
        var batches = CalibrationBatches.From(2, i =>
        {
            net.train();
            var answer = net.call(Small.Picture(i, 2) * (1 + (0.1 * rand(1, dtype: float64))));
            if (answer.requires_grad)
                answer.square().sum().backward();
            return F.cross_entropy(net.call(Small.Picture(i, 2)), tensor(new long[] { 1, 2 }));
        });
        PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Criterion = Create(name, batches) });

        Assert.True(random.equal(get_rng_state()).all().item<bool>());
        Assert.True(is_grad_enabled());
        Same(before, Found(net));
    }

    [Theory]
    [MemberData(nameof(WithData))]
    public void A_batch_that_throws_leaves_the_model_as_found_too(string name)
    {
        using var scope = NewDisposeScope();
        using var net = Small.Residual();
        var graph = Small.Graph(net, 2, 3, 5, 5);
        net.train();
        var before = Found(net);
        var looks = 0;
        var batches = CalibrationBatches.From(2, i =>
        {
            net.train();
            looks++;
            return i == 0 ? F.cross_entropy(net.call(Small.Picture(i, 2)), tensor(new long[] { 1, 2 })) : throw new InvalidOperationException("second batch");
        });
        var error = Assert.Throws<PruningException>(() => CriterionPreparation.Prepare(Create(name, batches), graph));
        Assert.Contains("Batch 1 of 2", error.Message, StringComparison.Ordinal);
        Assert.Equal(2, looks);
        Same(before, Found(net));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void No_tensor_is_left_behind(string name)
    {
        using var net = Small.Residual();
        DependencyGraph graph;
        using (NewDisposeScope())
            graph = Small.Graph(net, 2, 3, 5, 5);
        using var x = Small.Picture(0, 2);
        using var target = tensor(new long[] { 1, 2 });
        var criterion = Create(name, CalibrationBatches.WithLoss(net, [(x, target), (x, target)], (answer, wanted) => F.cross_entropy(answer, wanted)));
        var options = new PruningOptions { Ratio = 0.5, Criterion = criterion };
        PruningPlanner.CreatePlan(graph, options);
        var live = LiveTensors.Settled();
        PruningPlanner.CreatePlan(graph, options);
        Assert.True(LiveTensors.Settled() <= live, $"{Tensor.TotalCount - live} tensors more than before");
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Scores_are_those_of_the_prepared_model_alone(string name)
    {
        using var scope = NewDisposeScope();
        using var net = Small.Residual();
        using var other = Small.Residual();
        var (graph, otherGraph) = (Small.Graph(net, 2, 3, 5, 5), Small.Graph(other, 2, 3, 5, 5));
        var criterion = Create(name, Small.Labelled(net));
        var bank = FilterScorer.Banks(graph).First().Bank;
        var otherBank = FilterScorer.Banks(otherGraph).First().Bank;
        Assert.Contains("is not prepared", Assert.Throws<PruningException>(() => criterion.Score(bank)).Message, StringComparison.Ordinal);
        CriterionPreparation.Prepare(criterion, graph);
        criterion.Score(bank);
        Assert.Contains("was prepared for another model", Assert.Throws<PruningException>(() => criterion.Score(otherBank)).Message, StringComparison.Ordinal);

        // Nor those of the same layers at other widths.
        Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 }));
        var pruned = Small.Graph(net, 2, 3, 5, 5);
        Assert.Throws<PruningException>(() => criterion.Score(FilterScorer.Banks(pruned).First().Bank));
        var plan = PruningPlanner.CreatePlan(pruned, new PruningOptions { Ratio = 0.5, Criterion = criterion });
        Assert.Equal(3 - 1, plan.Find("first")!.RemovedOutputs.Count);
    }

    [Fact]
    public void Hooks_are_seen_by_these_tests()
    {
        using var net = Small.Residual();
        Assert.Equal(0, Hooks(net["inner"]));
        net["inner"].register_forward_pre_hook((_, x) => x);
        Assert.Equal(1, Hooks(net["inner"]));
    }

    [Fact]
    public void Batches_are_run_in_evaluation_mode_and_in_order()
    {
        using var scope = NewDisposeScope();
        using var net = Small.Residual();
        var graph = Small.Graph(net, 2, 3, 5, 5);
        net.train();
        var seen = new List<(int, bool, bool, bool)>();
        var batches = CalibrationBatches.From(3, i =>
        {
            seen.Add((i, net.training, net["norm1"].training, is_grad_enabled()));
            net.train();
            return net.call(Small.Picture(i, 2)).sum();
        });
        CriterionPreparation.Prepare(new ApozCriterion(batches), graph);
        CriterionPreparation.Prepare(new TaylorCriterion(batches), graph);
        Assert.Equal(Enumerable.Range(0, 6).Select(i => (i % 3, false, false, i >= 3)), seen);
    }

    [Fact]
    public void Random_forwards_repeat_with_the_seed()
    {
        using var scope = NewDisposeScope();
        using var net = Small.Residual();
        var graph = Small.Graph(net, 2, 3, 5, 5);
        var batches = CalibrationBatches.From(2, i => net.call(randn(2, 3, 5, 5, dtype: float64)).square().sum());
        var one = Bank.Scores(new TaylorCriterion(batches, seed: 1), graph, "first");
        manual_seed(1234);
        Assert.Equal(one, Bank.Scores(new TaylorCriterion(batches, seed: 1), graph, "first"));
        Assert.NotEqual(one, Bank.Scores(new TaylorCriterion(batches, seed: 2), graph, "first"));
        Assert.Equal(Bank.Scores(new MeanActivationCriterion(batches, seed: 3), graph, "first"), Bank.Scores(new MeanActivationCriterion(batches, seed: 3), graph, "first"));
    }

    [Fact]
    public void An_early_end_can_be_asked_for()
    {
        using var scope = NewDisposeScope();
        using var net = Small.Residual();
        var graph = Small.Graph(net, 2, 3, 5, 5);
        using var source = new CancellationTokenSource();
        var runs = 0;
        Func<int, Tensor?> run = i =>
        {
            runs++;
            source.Cancel();
            return net.call(Small.Picture(i, 2)).sum();
        };
        Assert.Throws<OperationCanceledException>(() => CriterionPreparation.Prepare(new TaylorCriterion(CalibrationBatches.From(5, run)), graph, source.Token));
        Assert.Equal(1, runs);
        Assert.Throws<OperationCanceledException>(
            () => PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Criterion = new ApozCriterion(CalibrationBatches.From(5, run, source.Token)) }));
        Assert.Equal(1, runs);
    }

    [Fact]
    public void A_criterion_of_ones_own_is_guarded_as_well()
    {
        using var scope = NewDisposeScope();
        using var net = Small.Residual();
        var graph = Small.Graph(net, 2, 3, 5, 5);
        net.train();
        var before = Found(net);
        using var own = new LossOnce(net);
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Criterion = own });
        Assert.Equal(["first", "inner", "widen", "last"], own.Layers);
        Assert.Equal(3, plan.Find("first")!.RemovedOutputs.Count);
        Same(before, Found(net));
    }

    private static IPruningCriterion Create(string name, ICalibrationBatches batches) => name switch
    {
        "taylor" => new TaylorCriterion(batches),
        "fisher" => new FisherCriterion(batches),
        "apoz" => new ApozCriterion(batches),
        "mean-activation" => new MeanActivationCriterion(batches),
        "bn-scale" => new BatchNormScaleCriterion(),
        "sum" => new WeightedSumCriterion((new L1Criterion(), 1), (new TaylorCriterion(batches), 2)),
        "ranks" => new RankProductCriterion(new ApozCriterion(batches), new FisherCriterion(batches)),
        _ => throw new ArgumentException(name),
    };

    /// <summary>Everything that can be seen of a model, copied.</summary>
    private static Dictionary<string, (bool Flag, Tensor? Value)> Found(Net net)
    {
        var found = new Dictionary<string, (bool, Tensor?)> { ["training"] = (net.training, null) };
        foreach (var (name, module) in net.named_modules())
            found[$"{name}.training"] = (module.training, null);
        foreach (var (name, module) in net.named_modules().Prepend(("", net)))
            found[$"{name}.hooks"] = (Hooks(module) > 0, null);
        foreach (var (name, buffer) in net.named_buffers())
            found[name] = (buffer.requires_grad, buffer.detach().clone());
        foreach (var (name, parameter) in net.named_parameters())
        {
            found[name] = (parameter.requires_grad, parameter.detach().clone());
            found[$"{name}.grad"] = (parameter.grad is null, parameter.grad?.clone());
        }

        return found;
    }

    /// <summary>TorchSharp has no list of hooks to ask for; its own is private.</summary>
    private static int Hooks(Module module)
    {
        var lists = new List<System.Collections.ICollection>();
        for (var type = module.GetType(); type is not null; type = type.BaseType)
        {
            lists.AddRange(type.GetFields(System.Reflection.BindingFlags.Instance | System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.DeclaredOnly)
                .Where(field => field.Name.EndsWith("hooks", StringComparison.OrdinalIgnoreCase)).Select(field => field.GetValue(module)).OfType<System.Collections.ICollection>());
        }

        Assert.NotEmpty(lists);
        return lists.Sum(list => list.Count);
    }

    private static void Same(Dictionary<string, (bool Flag, Tensor? Value)> expected, Dictionary<string, (bool Flag, Tensor? Value)> actual)
    {
        Assert.Equal(expected.Keys, actual.Keys);
        foreach (var (name, (flag, value)) in expected)
        {
            Assert.True(flag == actual[name].Flag, name);
            Assert.True(value is null == actual[name].Value is null && (value is null || value.equal(actual[name].Value!).all().item<bool>()), name);
        }
    }

    /// <summary>A user's criterion that propagates a loss back with no care at all.</summary>
    private sealed class LossOnce(Net net) : IPreparedCriterion, IDisposable
    {
        private readonly Dictionary<string, Tensor> _gradients = [];

        public string Name => "own";

        public IReadOnlyList<string> Layers => [.. _gradients.Keys];

        public void Dispose() => _gradients.Values.ToList().ForEach(gradient => gradient.Dispose());

        public void Prepare(CriterionContext context)
        {
            Assert.Same(net, context.Model);
            net.train();
            using (enable_grad())
                net.call(Small.Picture(0, 2)).square().sum().backward();
            foreach (var bank in context.Filters)
                _gradients[bank.LayerName] = bank.Weight.grad!.detach().clone().DetachFromDisposeScope();
        }

        public Tensor Score(FilterBank filters) => (filters with { Weight = _gradients[filters.LayerName] }).AsMatrix().abs().sum(1).to(float32);
    }
}
