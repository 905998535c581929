using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Surgery;

public class OptimizerTests
{
    private static readonly PruningOptions _half = new() { Ratio = 0.5, Criterion = new RandomCriterion(5) };

    public static TheoryData<string> Kinds => OptimizerKinds.Names;

    /// <summary>
    /// The second path: parameters of the small widths that never were large, and a new optimizer whose state is written by hand from the large one's. Given
    /// the same gradients, both must take the same steps, bit by bit.
    /// </summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void Training_goes_on_as_with_a_state_sliced_by_hand(string kind)
    {
        using var scope = NewDisposeScope();
        var net = new TiedNet();
        var example = TiedNet.Example();
        using var optimizer = OptimizerKinds.Make(kind, net.parameters());
        for (var i = 0; i < 3; i++)
            Step(net, example, optimizer);
        var graph = net.Graph(example);
        var plan = PruningPlanner.CreatePlan(graph, _half);
        var before = OptimizerKinds.ReadCopies(optimizer);
        var order = Order(net);
        var rates = optimizer.ParamGroups.Select(group => group.LearningRate).ToList();

        using var cut = Surgeon.Apply(graph, plan, new SurgeryOptions { Optimizers = [optimizer] });

        var twins = net.parameters().Select(parameter => new Parameter(parameter.detach().clone())).ToList();
        using var twin = OptimizerKinds.Make(kind, twins);
        OptimizerKinds.Write(twin, [.. before.Zip(order, (fields, name) => fields.ToDictionary(
            field => field.Key, field => OptimizerKinds.Map(field.Value, value => value.numel() == 1 ? value : SliceByHand(value, name, plan))))]);
        OptimizerKinds.AssertSame(OptimizerKinds.Read(twin), OptimizerKinds.Read(optimizer));
        Assert.Equal(rates, optimizer.ParamGroups.Select(group => group.LearningRate));
        for (var step = 0; step < 3; step++)
        {
            Step(net, example, optimizer, () =>
            {
                foreach (var (parameter, copy) in net.parameters().Zip(twins))
                    copy.grad = parameter.grad!.clone();
                twin.step();
            });
            Assert.All(net.named_parameters().Zip(twins), pair =>
                Assert.True(pair.First.parameter.equal(pair.Second).all().item<bool>(), $"{pair.First.name} after step {step}"));
        }
    }

    [Theory]
    [InlineData("SGD momentum, dampening, decay")]
    [InlineData("Adam amsgrad")]
    public void The_update_rule_written_by_hand_gives_the_same_weights(string kind)
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet();
        var example = TiedNet.Example();
        using var optimizer = OptimizerKinds.Make(kind, net.parameters());
        var hand = net.named_parameters().ToDictionary(entry => entry.name, entry => new HandRule(kind, entry.parameter.shape));
        for (var step = 0; step < 3; step++)
            StepBoth();
        var graph = net.Graph(example);
        var plan = PruningPlanner.CreatePlan(graph, _half);
        using var cut = Surgeon.Apply(graph, plan, new SurgeryOptions { Optimizers = [optimizer] });
        foreach (var (name, rule) in hand)
            rule.Slice(value => SliceByHand(value, name, plan));
        for (var step = 0; step < 3; step++)
            StepBoth();

        void StepBoth()
        {
            var expected = new Dictionary<string, Tensor>();
            Step(net, example, optimizer, () =>
            {
                foreach (var (name, parameter) in net.named_parameters())
                    expected[name] = hand[name].Next(parameter.detach().to(float64), parameter.grad!.to(float64));
            });
            foreach (var (name, parameter) in net.named_parameters())
                Assert.True((parameter.to(float64) - expected[name]).abs().max().item<double>() <= 1e-6 * expected[name].abs().max().item<double>(), name);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Undo_gives_model_and_optimizer_back_after_training_went_on(string kind)
    {
        using var scope = NewDisposeScope();
        var net = new TiedNet();
        var example = TiedNet.Example();
        using var optimizer = OptimizerKinds.Make(kind, net.parameters());
        for (var i = 0; i < 2; i++)
            Step(net, example, optimizer);
        var graph = net.Graph(example);
        var model = State.Of(net);
        var states = OptimizerKinds.ReadCopies(optimizer);
        Step(net, example, optimizer);
        var next = State.Of(net);
        model.WriteTo(net);
        OptimizerKinds.Write(optimizer, states);

        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, _half), new SurgeryOptions { Optimizers = [optimizer] });
        for (var i = 0; i < 3; i++)
            Step(net, example, optimizer);
        cut.Undo();

        model.AssertSame(net);
        OptimizerKinds.AssertSame(states, OptimizerKinds.Read(optimizer));
        Step(net, example, optimizer);
        next.AssertSame(net);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_remembered_state_may_be_given_back_twice(string kind)
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet();
        var example = TiedNet.Example();
        using var optimizer = OptimizerKinds.Make(kind, net.parameters());
        Step(net, example, optimizer);
        var before = OptimizerKinds.ReadCopies(optimizer);
        var memory = new List<ParameterState>();
        foreach (var (_, state) in OptimizerInternals.States(optimizer))
            memory.Add(new ParameterState(optimizer, state, null, ""));
        for (var time = 0; time < 2; time++)
        {
            Step(net, example, optimizer);
            memory.ForEach(state => state.Restore());
            OptimizerKinds.AssertSame(before, OptimizerKinds.Read(optimizer));
        }

        memory.ForEach(state => state.Dispose());
    }

    [Fact]
    public void A_state_that_came_after_the_cut_goes_with_the_undo()
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet();
        var example = TiedNet.Example();
        using var optimizer = OptimizerKinds.Make("SGD nesterov", net.parameters());
        var graph = net.Graph(example);
        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, _half), new SurgeryOptions { Optimizers = [optimizer] });
        Step(net, example, optimizer);
        Assert.All(OptimizerKinds.Read(optimizer), state => Assert.NotNull(state["momentum_buffer"]));
        cut.Undo();
        Assert.All(OptimizerKinds.Read(optimizer), state => Assert.Null(state["momentum_buffer"]));
        Step(net, example, optimizer);
    }

    [Theory]
    [InlineData("StepLR")]
    [InlineData("cosine")]
    [InlineData("one cycle")]
    public void Schedules_keep_their_place(string schedule)
    {
        using var scope = NewDisposeScope();
        Assert.Equal(Rates(cutAt: null), Rates(cutAt: 4));

        List<double> Rates(int? cutAt)
        {
            var net = new ChainNet();
            var example = TiedNet.Example();
            using var optimizer = OptimizerKinds.Make("Adam", net.parameters());
            optim.lr_scheduler.LRScheduler scheduler = schedule switch
            {
                "StepLR" => optim.lr_scheduler.StepLR(optimizer, 3, 0.1),
                "cosine" => optim.lr_scheduler.CosineAnnealingLR(optimizer, 8),
                _ => optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps: 10),
            };
            var rates = new List<double>();
            for (var epoch = 0; epoch < 8; epoch++)
            {
                if (epoch == cutAt)
                {
                    var graph = net.Graph(example);
                    Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, _half), new SurgeryOptions { Optimizers = [optimizer] }).Dispose();
                }

                Step(net, example, optimizer);
                scheduler.step();
                rates.AddRange(optimizer.ParamGroups.Select(group => group.LearningRate));
            }

            return rates;
        }
    }

    [Fact]
    public void What_cannot_be_cut_is_refused_before_anything_is_touched()
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet();
        var example = TiedNet.Example();
        var graph = net.Graph(example);
        var plan = PruningPlanner.CreatePlan(graph, _half);
        var before = State.Of(net);
        var lbfgs = optim.LBFGS(net.parameters());
        Assert.Contains("LBFGS", Assert.Throws<ArgumentException>(() => Apply(lbfgs)).Message, StringComparison.Ordinal);
        var factors = Refused(zeros(7, 2));
        Assert.Contains("[7, 2]", factors, StringComparison.Ordinal);
        Assert.Contains("'first'", factors, StringComparison.Ordinal);
        Assert.Contains("'_extra'", Refused(new Dictionary<string, Tensor> { ["row"] = zeros(3) }), StringComparison.Ordinal);
        Assert.Contains("'_extra'", Refused((1, zeros(3))), StringComparison.Ordinal);
        before.AssertSame(net);

        // What holds no tensor, or only numbers, is none of our business.
        using var harmless = new OwnOptimizer(new Dictionary<string, int[]> { ["a"] = [1] }, [.. net.parameters()]);
        using var number = new OwnOptimizer(tensor(3.0), [.. net.parameters()]);
        Apply(harmless, number).Undo();

        string Refused(object extra)
        {
            using var own = new OwnOptimizer(extra, [.. net.parameters()]);
            return Assert.Throws<PruningException>(() => Apply(own)).Message;
        }

        CutResult Apply(params optim.Optimizer[] optimizers) => Surgeon.Apply(graph, plan, new SurgeryOptions { Optimizers = optimizers });
    }

    [Fact]
    public void States_of_another_model_are_left_alone()
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet();
        var other = new ChainNet();
        var example = TiedNet.Example();
        using var optimizer = OptimizerKinds.Make("Adam", net.parameters().Concat(other.parameters()));
        Step(other, example, optimizer);
        var graph = net.Graph(example);
        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, _half), new SurgeryOptions { Optimizers = [optimizer, optimizer] });
        Step(other, example, optimizer);
        var trained = State.Of(other);
        var states = Of(other);
        cut.Undo();
        trained.AssertSame(other);
        OptimizerKinds.AssertSame(states, Of(other));

        List<Dictionary<string, object?>> Of(nn.Module model)
        {
            var own = model.parameters().Select(parameter => parameter.Handle).ToHashSet();
            return [.. OptimizerKinds.ReadCopies(optimizer).Zip(optimizer.parameters()).Where(pair => own.Contains(pair.Second.Handle)).Select(pair => pair.First)];
        }
    }

    [Fact]
    public void An_optimizer_that_was_forgotten_says_so_at_its_next_step()
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet();
        var example = TiedNet.Example();
        using var optimizer = OptimizerKinds.Make("Adam", net.parameters());
        Step(net, example, optimizer);
        var graph = net.Graph(example);
        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, _half));
        Assert.ThrowsAny<Exception>(() => Step(net, example, optimizer));
    }

    [Fact]
    public void A_disposed_optimizer_does_not_hinder_the_undo()
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet();
        var example = TiedNet.Example();
        var before = State.Of(net);
        var optimizer = OptimizerKinds.Make("Adam amsgrad", net.parameters());
        var graph = net.Graph(example);
        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, _half), new SurgeryOptions { Optimizers = [optimizer] });
        optimizer.Dispose();
        cut.Undo();
        before.AssertSame(net);
    }

    [Fact]
    public void A_cut_with_optimizers_leaks_nothing_once_it_is_undone()
    {
        using var scope = NewDisposeScope();
        var net = new TiedNet();
        var example = TiedNet.Example();
        using var optimizer = OptimizerKinds.Make("Adam amsgrad", net.parameters());
        Step(net, example, optimizer);
        var graph = net.Graph(example);
        var plan = PruningPlanner.CreatePlan(graph, _half);
        Round();
        var before = LiveTensors.Settled();
        Round();
        // Less is no leak: other tests' garbage may be collected meanwhile.
        Assert.InRange(Tensor.TotalCount, 0, before);

        void Round()
        {
            using var inner = NewDisposeScope();
            using var cut = Surgeon.Apply(graph, plan, new SurgeryOptions { Optimizers = [optimizer] });
            Step(net, example, optimizer);
            cut.Undo();
        }
    }

    private static void Step(nn.Module<Tensor, Tensor> net, Tensor example, OptimizerHelper optimizer, Action? onGradients = null)
    {
        optimizer.zero_grad();
        net.call(example).square().mean().backward();
        onGradients?.Invoke();
        optimizer.step();
    }

    /// <summary>Names of the parameters in the order in which the optimizer keeps them: weights, then biases.</summary>
    private static List<string> Order(nn.Module net)
        => [.. net.named_parameters().OrderBy(entry => entry.parameter.dim() > 1 ? 0 : 1).Select(entry => entry.name)];

    /// <summary>What stays of a tensor of a parameter's shape, one position after the other.</summary>
    private static Tensor SliceByHand(Tensor value, string name, PruningPlan plan)
    {
        var dot = name.LastIndexOf('.');
        var layer = plan.Find(name[..dot])!;
        value = Keep(value, 0, layer.RemovedOutputs);
        if (value.dim() == 1)
            return value;
        // Four blocks of four inputs, which lose the same positions.
        return Keep(value, 1, layer.Name == "grouped" ? [.. layer.RemovedInputs.Where(channel => channel < 4)] : layer.RemovedInputs);

        static Tensor Keep(Tensor value, int axis, IReadOnlyList<int> removed)
            => cat([.. Enumerable.Range(0, (int)value.shape[axis]).Where(i => !removed.Contains(i)).Select(i => value.narrow(axis, i, 1))], axis);
    }

    /// <summary>The update rules of the papers, in double precision.</summary>
    private sealed class HandRule(string kind, long[] shape)
    {
        private readonly double _rate = shape.Length > 1 ? 1e-3 : 2e-3;
        private Tensor _first = zeros(shape, dtype: float64);
        private Tensor _second = zeros(shape, dtype: float64);
        private Tensor _largest = zeros(shape, dtype: float64);
        private int _steps;

        public void Slice(Func<Tensor, Tensor> slice) => (_first, _second, _largest) = (slice(_first), slice(_second), slice(_largest));

        public Tensor Next(Tensor weight, Tensor gradient)
        {
            _steps++;
            if (kind.StartsWith("SGD", StringComparison.Ordinal))
            {
                var (momentum, dampening) = shape.Length > 1 ? (0.9, 0.1) : (0.8, 0.2);
                gradient = gradient + (1e-2 * weight);
                _first = _steps == 1 ? gradient : (momentum * _first) + ((1 - dampening) * gradient);
                return weight - (_rate * _first);
            }

            _first = (0.9 * _first) + (0.1 * gradient);
            _second = (0.999 * _second) + (0.001 * gradient * gradient);
            _largest = maximum(_largest, _second);
            var unbiased = _first / (1 - Math.Pow(0.9, _steps));
            return weight - (_rate * unbiased / ((_largest / (1 - Math.Pow(0.999, _steps))).sqrt() + 1e-8));
        }
    }
}
