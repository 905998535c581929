using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning.Tests.Surgery;

public class SurgeonTests
{
    private static readonly PruningOptions _half = new() { Ratio = 0.5, Criterion = new RandomCriterion(5) };

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.3)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public void Pruned_model_gives_what_the_masked_one_gives(double ratio)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var example = TiedNet.Example();
        var pruned = new TiedNet();
        var masked = new TiedNet();
        var graph = pruned.Graph(example);
        var plan = PruningPlanner.CreatePlan(graph, _half with { Ratio = ratio });

        // The masked self on a second path: weights set to zero one channel at a time.
        foreach (var layer in plan.Layers)
        {
            var weight = masked.get_parameter($"{layer.Name}.weight")!;
            foreach (var channel in layer.RemovedInputs)
            {
                if (layer.Name == "grouped")
                    weight[.., channel % 4] = 0;
                else if (layer.Name != "norm")
                    weight[.., channel] = 0;
            }
        }

        masked.eval();
        var expected = masked.call(example);
        using var cut = Surgeon.Apply(graph, plan);
        pruned.eval();
        var actual = pruned.call(example);

        Assert.InRange(cut.ProofError, 0, 1e-5);
        Assert.Equal(10, cut.Proof.Layers.Count);
        Assert.Empty(cut.Proof.NotExercised);
        Assert.True((actual - expected).abs().max().item<float>() <= 1e-5f * expected.abs().max().item<float>());
        foreach (var layer in plan.Layers)
        {
            var traced = graph.Layers.Single(l => l.Name == layer.Name);
            Assert.Equal(layer.KeptInputs, traced.Rule.InputChannels(traced.Module));
            Assert.Equal(layer.KeptOutputs, traced.Rule.OutputChannels(traced.Module));
        }
    }

    /// <summary>Larger than one block of rows, so that it is narrowed block by block along both axes.</summary>
    [Fact]
    public void A_large_weight_keeps_just_what_stays_along_both_axes()
    {
        using var scope = NewDisposeScope();
        using var net = nn.Sequential(("first", nn.Linear(4, 900)), ("relu", nn.ReLU()), ("second", nn.Linear(900, 1100)), ("relu2", nn.ReLU()), ("last", nn.Linear(1100, 3)));
        var graph = DependencyGraph.Trace(net, ones(2, 4));
        var before = ((TorchSharp.Modules.Linear)net[2]).weight.detach().clone();
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.3 });
        var layer = plan.Find("second")!;
        using var cut = Surgeon.Apply(graph, plan);
        var (rows, columns) = (Enumerable.Range(0, 1100).Except(layer.RemovedOutputs), Enumerable.Range(0, 900).Except(layer.RemovedInputs));
        var expected = before.index_select(0, tensor(rows.Select(row => (long)row).ToArray())).index_select(1, tensor(columns.Select(column => (long)column).ToArray()));
        Assert.Equal([770L, 630], expected.shape);
        Assert.True(expected.equal(((TorchSharp.Modules.Linear)net[2]).weight).all().item<bool>());
        cut.Undo();
        Assert.True(before.equal(((TorchSharp.Modules.Linear)net[2]).weight).all().item<bool>());
    }

    [Fact]
    public void Predicted_cost_is_the_cost_measured_after_the_cut()
    {
        using var scope = NewDisposeScope();
        var net = new TiedNet();
        var example = TiedNet.Example();
        var graph = net.Graph(example);
        var plan = PruningPlanner.CreatePlan(graph, _half);
        Assert.Equal(plan.Before, ModelCost.Measure(graph));
        using var cut = Surgeon.Apply(graph, plan);
        Assert.Equal(plan.Predicted, ModelCost.Measure(graph));
        Assert.Equal(net.parameters().Sum(p => p.numel()), plan.Predicted.Parameters);

        // The same from the shapes of a forward of the pruned model.
        var after = new HandGraph(net, () => net.call(example)).Build();
        Assert.Equal(plan.Predicted, ModelCost.Measure(after));
    }

    [Fact]
    public void Undo_gives_everything_back_and_parameters_stay_the_same_objects()
    {
        using var scope = NewDisposeScope();
        var net = new TiedNet();
        var example = TiedNet.Example();
        net.train();
        net.norm.eval();
        net.call(example).sum().backward();
        net.head.weight.requires_grad = false;
        var before = net.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());
        var gradients = net.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter.grad?.clone());
        var handles = net.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter.Handle);
        var random = get_rng_state();
        var graph = net.Graph(example);

        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, _half));

        Assert.Equal([6, 3, 3, 3], net.stem.weight.shape);
        Assert.True(net.training && net.stem.training && !net.norm.training);
        Assert.False(net.head.weight.requires_grad);
        Assert.True(net.stem.weight.requires_grad && net.stem.weight.is_leaf);
        Assert.True(random.equal(get_rng_state()).all().item<bool>());
        Assert.All(net.named_parameters(), entry => Assert.Equal(handles[entry.name], entry.parameter.Handle));

        cut.Undo();

        foreach (var (name, value) in net.state_dict())
            Assert.True(value.shape.SequenceEqual(before[name].shape) && value.equal(before[name]).all().item<bool>(), name);
        foreach (var (name, parameter) in net.named_parameters())
            Assert.True(gradients[name] is null ? parameter.grad is null : parameter.grad!.equal(gradients[name]!).all().item<bool>(), name);
        Assert.All(net.named_parameters(), entry => Assert.Equal(handles[entry.name], entry.parameter.Handle));
        Assert.Throws<InvalidOperationException>(cut.Undo);
    }

    [Fact]
    public void Training_goes_on_after_a_cut_with_the_optimizer_that_was_there()
    {
        using var scope = NewDisposeScope();
        var net = new TiedNet();
        var example = TiedNet.Example();
        using var optimizer = optim.SGD(net.parameters(), 1e-3);
        var loss = net.call(example).square().mean();
        loss.backward();
        optimizer.step();
        var graph = net.Graph(example);
        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, _half));

        double Step()
        {
            optimizer.zero_grad();
            var now = net.call(example).square().mean();
            now.backward();
            optimizer.step();
            return now.item<float>();
        }

        var first = Step();
        for (var i = 0; i < 5; i++)
            Step();
        var last = Step();
        Assert.True(last < first, $"{first} -> {last}");
        Assert.Equal(net.stem.weight.shape, net.stem.weight.grad!.shape);
    }

    [Theory]
    [InlineData("sgd")]
    [InlineData("adam")]
    [InlineData("adamw")]
    [InlineData("rmsprop")]
    [InlineData("adagrad")]
    public void Momenta_are_cut_with_their_parameters_and_come_back(string kind)
    {
        using var scope = NewDisposeScope();
        var net = new TiedNet();
        var example = TiedNet.Example();
        using optim.Optimizer optimizer = kind switch
        {
            "sgd" => optim.SGD(net.parameters(), 1e-3, momentum: 0.9),
            "adam" => optim.Adam(net.parameters(), 1e-3, amsgrad: true),
            "adamw" => optim.AdamW(net.parameters(), 1e-3),
            "rmsprop" => optim.RMSProp(net.parameters(), 1e-3, momentum: 0.9, centered: true),
            _ => optim.Adagrad(net.parameters(), 1e-3),
        };

        void Step()
        {
            optimizer.zero_grad();
            net.call(example).square().mean().backward();
            optimizer.step();
        }

        Step();
        Step();
        var graph = net.Graph(example);
        var plan = PruningPlanner.CreatePlan(graph, _half);
        var kept = tensor(Enumerable.Range(0, 12).Except(plan.Find("stem")!.RemovedOutputs).Select(i => (long)i).ToArray());
        var before = Moments(net.stem.weight).Select(moment => moment.clone()).ToList();
        Assert.NotEmpty(before);

        using var cut = Surgeon.Apply(graph, plan, new SurgeryOptions { Optimizers = [optimizer] });
        Assert.All(Moments(net.stem.weight).Zip(before), pair => Assert.True(pair.First.equal(pair.Second.index_select(0, kept)).all().item<bool>()));
        Step();
        cut.Undo();
        Assert.All(Moments(net.stem.weight).Zip(before), pair => Assert.True(pair.First.equal(pair.Second).all().item<bool>()));
        Step();

        List<Tensor> Moments(TorchSharp.Modules.Parameter parameter)
        {
            var states = ((TorchSharp.Modules.OptimizerHelper)optimizer).state_dict().State;
            var state = states[net.parameters().ToList().FindIndex(p => p.Handle == parameter.Handle)];
            return [.. state.GetType().GetFields().Select(field => field.GetValue(state)).OfType<Tensor>()];
        }
    }

    [Fact]
    public void A_failure_in_the_middle_leaves_the_model_as_it_was()
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet();
        var graph = net.Graph(TiedNet.Example());
        var before = net.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());
        var plan = PruningPlanner.CreatePlan(graph, _half);
        TestRule.FailAtWidth = plan.Find("second")!.KeptOutputs;
        var error = Assert.Throws<PruningException>(() => Surgeon.Apply(graph, plan));
        Assert.Contains("asked to fail", error.Message, StringComparison.Ordinal);
        AssertSame(before, net);
    }

    [Fact]
    public void A_missed_tie_is_taken_back_and_the_layer_is_named()
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet(10, 10);
        var example = TiedNet.Example();

        // The graph says that channel i feeds channel i; the forward turns the order round.
        Tensor Forward(bool flipped)
        {
            var x = net.first.call(example);
            return net.last.call(net.second.call(flipped ? x.flip(1) : x));
        }

        var graph = new HandGraph(net, () => Forward(true)).PinInput("first").Tie("first", "second").Tie("second", "last").PinOutput("last").Build();
        var before = net.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());
        var error = Assert.Throws<PruningException>(() => Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, _half)));
        Assert.Contains("'second'", error.Message, StringComparison.Ordinal);
        AssertSame(before, net);
    }

    [Fact]
    public void A_width_written_down_as_a_number_is_taken_back_and_the_layer_is_named()
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet();
        var example = TiedNet.Example();
        var graph = new HandGraph(net, () => net.last.call(net.second.call(net.first.call(example).view(2, 10, 8, 8))))
            .PinInput("first").Tie("first", "second").Tie("second", "last").PinOutput("last").Build();
        var before = net.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());
        var error = Assert.Throws<PruningException>(() => Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, _half)));
        Assert.Contains("after layer 'first'", error.Message, StringComparison.Ordinal);
        AssertSame(before, net);
    }

    [Fact]
    public void A_plan_for_another_width_or_with_a_torn_group_is_refused()
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet();
        var example = TiedNet.Example();
        var graph = net.Graph(example);
        var other = new ChainNet(12);
        var error = Assert.Throws<PruningException>(() => Surgeon.Apply(graph, PruningPlanner.CreatePlan(other.Graph(example), _half)));
        Assert.Contains("'first'", error.Message, StringComparison.Ordinal);

        var plan = PruningPlanner.CreatePlan(graph, _half);
        var torn = plan.Layers.Select(layer => layer.Name == "second" ? layer with { RemovedInputs = [.. layer.RemovedInputs.Skip(1)] } : layer).ToList();
        var tornPlan = new PruningPlan(plan.Settings, plan.Before, plan.Predicted, plan.TotalGroups, plan.RemovedGroups, torn);
        Assert.Contains("go together", Assert.Throws<PruningException>(() => Surgeon.Apply(graph, tornPlan)).Message, StringComparison.Ordinal);

        var pinned = plan.Layers.Select(layer => layer.Name == "last" ? layer with { RemovedOutputs = [0] } : layer).ToList();
        var pinnedPlan = new PruningPlan(plan.Settings, plan.Before, plan.Predicted, plan.TotalGroups, plan.RemovedGroups, pinned);
        Assert.Contains("must stay", Assert.Throws<PruningException>(() => Surgeon.Apply(graph, pinnedPlan)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_graph_older_than_its_model_is_refused_and_cuts_are_undone_last_first()
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet();
        var example = TiedNet.Example();
        var graph = net.Graph(example);
        var plan = PruningPlanner.CreatePlan(graph, _half);
        using var first = Surgeon.Apply(graph, plan);
        Assert.Contains("Trace the model again", Assert.Throws<PruningException>(() => Surgeon.Apply(graph, plan)).Message, StringComparison.Ordinal);
        Assert.Contains("Trace the model again", Assert.Throws<PruningException>(() => PruningPlanner.CreatePlan(graph, _half)).Message, StringComparison.Ordinal);

        var again = net.Graph(example);
        using var second = Surgeon.Apply(again, PruningPlanner.CreatePlan(again, _half));
        Assert.Equal([2, 3, 3, 3], net.first.weight.shape);  // 10, 5, 2
        Assert.Contains("later", Assert.Throws<PruningException>(first.Undo).Message, StringComparison.Ordinal);
        second.Undo();
        first.Undo();
        Assert.Equal([10, 3, 3, 3], net.first.weight.shape);
    }

    [Fact]
    public void Hooks_stay_and_none_are_added()
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet();
        var example = TiedNet.Example();
        var graph = net.Graph(example);
        var seen = 0;
        var hook = net.first.register_forward_hook((_, _, output) => { seen++; return output; });
        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, _half));
        seen = 0;
        net.call(example);
        Assert.Equal(1, seen);
        hook.remove();
    }

    [Fact]
    public void Layers_that_no_picture_reaches_are_proved_on_made_up_values()
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet();
        var example = TiedNet.Example() * 0;
        using (no_grad())
            net.first.bias.fill_(-1);

        // Like a detector: the second layer sees only what passes a threshold.
        Tensor Forward()
        {
            using var inner = NewDisposeScope();
            var x = net.first.call(example);                                                     // [2, 10, 8, 8]
            var chosen = x[x.amax([1, 2, 3]) > 0];
            return net.last.call(nn.functional.relu(net.second.call(chosen))).MoveToOuterDisposeScope();
        }

        var graph = new HandGraph(net, Forward).PinInput("first").Tie("first", "second").Tie("second", "last").PinOutput("last").Build();
        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, _half));
        Assert.Empty(cut.Proof.NotExercised);
        Assert.All(cut.Proof.Layers, layer => Assert.True(layer.Calls > 0, layer.Layer));
        Assert.InRange(cut.ProofError, 0, 1e-5);
    }

    [Fact]
    public void A_cut_leaks_nothing_once_its_result_is_disposed()
    {
        using var scope = NewDisposeScope();
        var net = new TiedNet();
        var example = TiedNet.Example();
        var graph = net.Graph(example);
        var plan = PruningPlanner.CreatePlan(graph, _half);
        Surgeon.Apply(graph, plan).Undo();
        var before = LiveTensors.Settled();
        Surgeon.Apply(graph, plan).Undo();
        // Less is no leak: other tests' garbage may be collected meanwhile.
        Assert.InRange(Tensor.TotalCount, 0, before);
    }

    private static void AssertSame(Dictionary<string, Tensor> before, nn.Module net)
    {
        foreach (var (name, value) in net.state_dict())
            Assert.True(value.shape.SequenceEqual(before[name].shape) && value.equal(before[name]).all().item<bool>(), name);
    }
}
