using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using FilterPruning.Tests.Tracing;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Surgery;

/// <summary>What a cut leaves as it was, property by property, in every floating type that libtorch computes with on the device.</summary>
public class KeptPropertiesTests
{
    private static readonly PruningOptions _half = new() { Ratio = 0.5, Criterion = new RandomCriterion(5) };

    /// <summary>All four work on a CPU: libtorch 2.x has kernels in half precision for convolutions, linear layers, norms and the reductions of the proof.</summary>
    public static TheoryData<ScalarType> Types => [ScalarType.Float32, ScalarType.Float64, ScalarType.BFloat16, ScalarType.Float16];

    [Theory]
    [MemberData(nameof(Types))]
    public void Type_of_every_tensor_and_of_the_answer(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (net, example) = Make(type);
        var report = Pruner.Prune(net, example, _half);
        Assert.True(report.After.Parameters < report.Before.Parameters);
        Assert.All(net.parameters(), parameter => Assert.Equal(type, parameter.dtype));
        Assert.All(net.named_buffers().Where(buffer => buffer.buffer.is_floating_point()), buffer => Assert.Equal(type, buffer.buffer.dtype));
        Assert.Equal(type, net.call(example).dtype);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Requires_grad(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (net, example) = Make(type);
        foreach (var name in new[] { "expand", "norm2" })
        {
            foreach (var parameter in net[name].parameters())
                parameter.requires_grad = false;
        }

        var before = net.named_parameters().Select(entry => (entry.name, entry.parameter.requires_grad)).ToList();
        Pruner.Prune(net, example, _half);
        Assert.Equal(before, net.named_parameters().Select(entry => (entry.name, entry.parameter.requires_grad)));
        Assert.All(net.parameters(), parameter => Assert.True(parameter.is_leaf));
        net.train();
        net.call(example).square().mean().backward();
        Assert.All(net.parameters(), parameter => Assert.Equal(parameter.requires_grad, parameter.grad is not null));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Training_flags_module_by_module(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (net, example) = Make(type);
        net.train();
        net["norm1"].eval();
        net["depthwise"].eval();
        var before = net.named_modules().Select(entry => (entry.name, entry.module.training)).ToList();
        Pruner.Prune(net, example, _half);
        Assert.True(net.training);
        Assert.Equal(before, net.named_modules().Select(entry => (entry.name, entry.module.training)));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Order_and_identity_of_modules_parameters_and_buffers(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (net, example) = Make(type);
        var parameters = net.named_parameters().ToList();
        var buffers = net.named_buffers().ToList();
        var modules = net.named_modules().ToList();
        var names = net.state_dict().Keys.ToList();
        Pruner.Prune(net, example, _half);
        Assert.Equal(names, net.state_dict().Keys);
        Assert.All(parameters.Zip(net.named_parameters()), pair => Assert.True(pair.First.name == pair.Second.name && ReferenceEquals(pair.First.parameter, pair.Second.parameter)));
        Assert.All(buffers.Zip(net.named_buffers()), pair => Assert.True(pair.First.name == pair.Second.name && ReferenceEquals(pair.First.buffer, pair.Second.buffer)));
        Assert.All(modules.Zip(net.named_modules()), pair => Assert.True(pair.First.name == pair.Second.name && ReferenceEquals(pair.First.module, pair.Second.module)));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Hooks_in_their_order(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (net, example) = Make(type);
        var calls = new List<string>();
        var remove = new List<Action>();
        foreach (var name in new[] { "first", "norm1", "last" })
        {
            var layer = net[name];
            var pre = layer.register_forward_pre_hook((_, input) => Note($"{name} before", input));
            var one = layer.register_forward_hook((_, _, output) => Note($"{name} one", output));
            var two = layer.register_forward_hook((_, _, output) => Note($"{name} two", output));
            remove.AddRange([pre.remove, one.remove, two.remove]);
        }

        net.call(example);
        var before = calls.ToList();
        Pruner.Prune(net, example, _half);
        calls.Clear();
        net.call(example);
        Assert.Equal(before, calls);
        remove.ForEach(hook => hook());
        calls.Clear();
        net.call(example);
        Assert.Empty(calls);

        Tensor Note(string what, Tensor tensor)
        {
            calls.Add(what);
            return tensor;
        }
    }

    [Theory]
    [InlineData(DeviceType.CPU)]
    [InlineData(DeviceType.CUDA)]
    public void Device_of_every_tensor(DeviceType device)
    {
        Assert.SkipWhen(device == DeviceType.CUDA && !cuda_is_available(), "No CUDA device, or TorchSharp's CPU package.");
        using var scope = NewDisposeScope();
        var (net, example) = Make(ScalarType.Float32);
        net.to(device);
        Pruner.Prune(net, example.to(device), _half);
        Assert.All(net.state_dict().Values, tensor => Assert.Equal(device, tensor.device_type));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Three_cuts_are_undone_in_reverse_order_after_training_after_each(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (net, example) = Make(type);
        net.train();
        using var optimizer = new Adam(net.parameters(), 1e-3, eps: 1e-4, amsgrad: true);  // the default eps is 0 in half precision
        var stack = new Stack<(State Model, List<Dictionary<string, object?>> States, CutResult Cut)>();
        for (var round = 0; round < 3; round++)
        {
            Step();
            var graph = DependencyGraph.Trace(net, example);
            var (model, states) = (State.Of(net), OptimizerKinds.ReadCopies(optimizer));
            stack.Push((model, states, Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, _half with { Ratio = 0.3 }), new SurgeryOptions { Optimizers = [optimizer] })));
        }

        Step();
        Assert.Contains("later", Assert.Throws<PruningException>(stack.Last().Cut.Undo).Message, StringComparison.Ordinal);
        foreach (var (model, states, cut) in stack)
        {
            cut.Undo();
            model.AssertSame(net);
            OptimizerKinds.AssertSame(states, OptimizerKinds.Read(optimizer));
        }

        Step();

        void Step()
        {
            optimizer.zero_grad();
            net.call(example).square().mean().backward();
            optimizer.step();
        }
    }

    [Fact]
    public void A_model_converted_since_the_cut_is_not_undone_halfway()
    {
        using var scope = NewDisposeScope();
        var (net, example) = Make(ScalarType.Float32);
        var graph = DependencyGraph.Trace(net, example);
        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, _half));
        net.to(ScalarType.Float64);
        var converted = State.Of(net);
        Assert.Contains("conversion", Assert.Throws<PruningException>(cut.Undo).Message, StringComparison.Ordinal);
        converted.AssertSame(net);
    }

    [Fact]
    public void A_buffer_that_every_forward_writes_is_as_it_was()
    {
        using var scope = NewDisposeScope();
        var count = zeros(1, dtype: int64);
        var net = new Net(
            (n, x) =>
            {
                count.add_(1);
                return n.Call("last", n.Call("first", x).relu());
            },
            ("first", Nets.Conv(3, 8)), ("last", Nets.Conv(8, 5)));
        net.register_buffer("count", count);
        Pruner.Prune(net, rand(2, 3, 8, 8), _half);
        Assert.Equal(0, count.item<long>());
    }

    private static (Net Net, Tensor Example) Make(ScalarType type)
    {
        manual_seed(2);
        var net = Nets.Mobile();
        net.to(type);
        return (net, rand(2, 3, 8, 8).to(type));
    }
}
