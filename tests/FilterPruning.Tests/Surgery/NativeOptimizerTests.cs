using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Surgery;

/// <summary>Layers of native code are exchanged on a cut, with the tensors behind their parameters; optimizers must not notice.</summary>
public class NativeOptimizerTests
{
    public static TheoryData<string, string, bool> Cases()
    {
        var cases = new TheoryData<string, string, bool>();
        foreach (var layer in new[] { "LSTM", "GRU", "attention", "embedding" })
        {
            foreach (var kind in new[] { "Adam amsgrad", "SGD nesterov" })
            {
                cases.Add(layer, kind, false);
                cases.Add(layer, kind, true);
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Training_goes_on_and_comes_back(string layer, string kind, bool late)
    {
        using var scope = NewDisposeScope();
        var net = Make(layer);
        var input = net.Example();
        using var optimizer = OptimizerKinds.Make(kind, net.parameters());
        Step();
        Step();
        var graph = DependencyGraph.Trace(net, input);
        var model = State.Of(net);
        var states = OptimizerKinds.ReadCopies(optimizer);
        var options = new PruningOptions { Ratio = 0.5, Criterion = new RandomCriterion(3) };
        var names = net.named_parameters().OrderBy(entry => entry.parameter.dim() > 1 ? 0 : 1).Select(entry => entry.name).ToList();

        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, options), new SurgeryOptions { Optimizers = late ? [] : [optimizer] });
        if (late)
            cut.CutOptimizer(optimizer);

        // A new optimizer over plain copies of the small parameters, its state cut by hand, takes the same step.
        var small = net.parameters().ToList();
        Assert.Contains(small, parameter => parameter.numel() < model.SizeOf(parameter));
        var twins = small.Select(parameter => new Parameter(parameter.detach().clone())).ToList();
        using var twin = OptimizerKinds.Make(kind, twins);
        OptimizerKinds.Write(twin, [.. states.Zip(names, (fields, name) => fields.ToDictionary(
            field => field.Key, field => OptimizerKinds.Map(field.Value, value => ByHand(value, model.ValueOf(name), cut, name))))]);
        OptimizerKinds.AssertSame(OptimizerKinds.Read(twin), OptimizerKinds.Read(optimizer));
        Step(() =>
        {
            foreach (var (parameter, copy) in small.Zip(twins))
                copy.grad = parameter.grad!.clone();
            twin.step();
        });
        Assert.All(small.Zip(twins), pair => Assert.True(pair.First.equal(pair.Second).all().item<bool>()));

        if (late)
            return;
        cut.Undo();
        model.AssertSame(net);
        OptimizerKinds.AssertSame(states, OptimizerKinds.Read(optimizer));
        Step();

        void Step(Action? onGradients = null)
        {
            optimizer.zero_grad();
            net.call(input).square().mean().backward();
            onGradients?.Invoke();
            optimizer.step();
        }
    }

    [Theory]
    [InlineData("LSTM")]
    [InlineData("GRU")]
    [InlineData("attention")]
    [InlineData("embedding")]
    public void A_call_cancelled_at_any_report_changes_nothing(string layer)
    {
        using var scope = NewDisposeScope();
        var net = Make(layer);
        var input = net.Example();
        using var optimizer = OptimizerKinds.Make("Adam amsgrad", net.parameters());
        net.call(input).square().mean().backward();
        optimizer.step();
        var model = State.Of(net);
        var states = OptimizerKinds.ReadCopies(optimizer);
        var options = new PruningOptions { Ratio = 0.5, Criterion = new RandomCriterion(3), Optimizers = [optimizer] };
        for (var n = 1; ; n++)
        {
            using var source = new CancellationTokenSource();
            var listener = new CancelAt(n, source);
            try
            {
                Pruner.Prune(net, input, options, new PruningContext { Progress = listener, CancellationToken = source.Token });
                break;
            }
            catch (OperationCanceledException)
            {
                model.AssertSame(net);
                OptimizerKinds.AssertSame(states, OptimizerKinds.Read(optimizer));
            }
        }

        optimizer.zero_grad();
        net.call(input).square().mean().backward();
        optimizer.step();
    }

    [Fact]
    public void A_recurrent_layer_that_loses_inputs_alone_keeps_its_other_weights()
    {
        using var scope = NewDisposeScope();
        var net = Make("LSTM");
        var input = net.Example();
        using var optimizer = OptimizerKinds.Make("Adam", net.parameters());
        var before = State.Of(net);
        var graph = DependencyGraph.Trace(net, input);
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 });
        var layers = plan.Layers.Select(layer => layer.Name switch
        {
            "inner" => layer with { RemovedOutputs = [] },
            "last" => layer with { RemovedInputs = [] },
            _ => layer,
        }).ToList();
        plan = new PruningPlan(plan.Settings, plan.Before, plan.Predicted, plan.TotalGroups, plan.RemovedGroups, layers);
        using var cut = Surgeon.Apply(graph, plan, new SurgeryOptions { Optimizers = [optimizer] });
        Assert.Equal(4, net.get_parameter("inner.weight_ih_l0")!.shape[1]);
        Assert.True(before.ValueOf("inner.weight_hh_l0").equal(net.get_parameter("inner.weight_hh_l0")!).all().item<bool>());
    }

    /// <summary>The positions that stay, read off the weights: those of the large one whose values are in the small one.</summary>
    private static Tensor ByHand(Tensor value, Tensor large, CutResult cut, string name)
    {
        if (value.numel() == 1)
            return value;
        var positions = cut.Cuts.SelectMany(layer => layer.Tensors.Where(tensor => $"{layer.Layer.Name}.{tensor.Name}" == name)).SingleOrDefault();
        Assert.Equal(large.shape, value.shape);
        foreach (var axis in positions?.Axes ?? [])
            value = cat([.. axis.Kept.Select(position => value.narrow(axis.Axis, position, 1))], axis.Axis);
        return value;
    }

    private static SmallNet Make(string layer)
    {
        manual_seed(7);
        return new SmallNet(layer);
    }

    private sealed class CancelAt(int report, CancellationTokenSource source) : IProgress<PruningProgress>
    {
        private int _seen;

        public void Report(PruningProgress value)
        {
            if (++_seen == report)
                source.Cancel();
        }
    }

    private sealed class SmallNet : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module first;
        private readonly nn.Module inner;
        private readonly Linear last;

        public SmallNet(string layer)
            : base(layer)
        {
            first = layer == "embedding" ? nn.Embedding(11, 8) : nn.Linear(5, 8);
            inner = layer switch
            {
                "LSTM" => nn.LSTM(8, 6, batchFirst: true),
                "GRU" => nn.GRU(8, 6, batchFirst: true),
                "attention" => nn.MultiheadAttention(8, 2),
                _ => nn.Linear(8, 6),
            };
            last = nn.Linear(layer == "attention" ? 8 : 6, 3);
            RegisterComponents();
        }

        public Tensor Example()
        {
            using var generator = new Generator(2, CPU);
            return first is Embedding ? randint(11, [4, 7], dtype: int64, generator: generator) : randn(4, 7, 5, generator: generator);
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = first is Embedding embedding ? embedding.call(input) : ((Linear)first).call(input);
            x = inner switch
            {
                LSTM lstm => lstm.call(x).Item1,
                GRU gru => gru.call(x).Item1,
                MultiheadAttention attention => attention.call(x, x, x, null, false, null).Item1,
                _ => ((Linear)inner).call(x),
            };
            return last.call(x).MoveToOuterDisposeScope();
        }
    }
}
