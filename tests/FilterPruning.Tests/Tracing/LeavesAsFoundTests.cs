using FilterPruning.Graph;
using static TorchSharp.torch.nn;

namespace FilterPruning.Tests.Tracing;

public class LeavesAsFoundTests
{
    private static Tensor Example() => rand([2, 3, 16, 16], generator: new Generator(3));

    [Fact]
    public void Weights_buffers_flags_gradients_and_random_state_are_as_before()
    {
        using var scope = NewDisposeScope();
        using var net = Nets.Residual();
        net.train();
        net["inner"].eval();
        net["first"].get_parameter("weight")!.requires_grad = false;
        using var x = Example();
        net.call(x).sum().backward();
        var before = State(net);
        var gradients = net.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.grad?.clone());
        var flags = net.named_modules().Select(pair => pair.Item2.training).ToArray();
        using var random = get_rng_state();

        DependencyGraph.Trace(net, x);

        Assert.Equal(random.data<byte>().ToArray(), get_rng_state().data<byte>().ToArray());
        Assert.Equal(flags, net.named_modules().Select(pair => pair.Item2.training).ToArray());
        Assert.True(net.training);
        foreach (var (name, value) in State(net)) Assert.True(value.equal(before[name]).all().item<bool>(), name);
        foreach (var (name, parameter) in net.named_parameters())
        {
            Assert.Equal(name != "first.weight", parameter.requires_grad);
            Assert.Equal(gradients[name] is null, parameter.grad is null);
            if (gradients[name] is { } gradient) Assert.True(parameter.grad!.equal(gradient).all().item<bool>(), name);
        }
        Assert.True(is_grad_enabled());
    }

    [Fact]
    public void Hooks_are_gone_afterwards()
    {
        using var net = Nets.Chain();
        net.eval();
        using var x = Example();
        using var before = net.call(x);
        DependencyGraph.Trace(net, x);
        using var after = net.call(x);
        using var scope = NewDisposeScope();
        Assert.True(after.equal(before).all().item<bool>());
    }

    [Fact]
    public void A_forward_that_throws_leaves_the_model_as_found_too()
    {
        var calls = 0;
        using var net = new Net(
            (n, x) => calls++ == 1 ? throw new InvalidOperationException("second call") : n.Call("last", n.Call("norm", n.Call("first", x))),
            ("first", Nets.Conv(3, 8)), ("norm", BatchNorm2d(8)), ("last", Nets.Conv(8, 5)));
        net.train();
        using var x = Example();
        var error = Assert.Throws<PruningException>(() => DependencyGraph.Trace(net, x, new TraceOptions { MaximumTrials = 1 }));
        Assert.Contains("second call", error.Message, StringComparison.Ordinal);
        Assert.True(net["norm"].training);
        Assert.Equal(0, net["norm"].get_buffer("num_batches_tracked")!.item<long>());
        using var eager = net.call(x);
        Assert.True(eager.requires_grad);
    }

    [Fact]
    public void A_trial_that_throws_is_replaced_by_another()
    {
        var calls = 0;
        using var net = new Net(
            (n, x) => calls++ == 1 ? throw new InvalidOperationException("second call") : n.Call("last", nn.functional.relu(n.Call("first", x))),
            ("first", Nets.Conv(3, 8)), ("last", Nets.Conv(8, 5)));
        using var x = Example();
        Assert.Equal(["8 x first.out last.in"], GroupText.Prunable(DependencyGraph.Trace(net, x)));
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        using var net = Nets.SqueezeExcite();
        using var x = Example();
        DependencyGraph.Trace(net, x);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var total = LiveTensors.Settled();
        DependencyGraph.Trace(net, x);
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        Assert.True(Tensor.TotalCount <= total, $"{Tensor.TotalCount - total} tensors more than before");
    }

    [Fact]
    public void The_example_and_the_model_survive_a_scope_around_tracing()
    {
        using var net = Nets.Chain();
        using var x = Example();
        DependencyGraph graph;
        using (NewDisposeScope()) graph = DependencyGraph.Trace(net, x);
        using var result = (Tensor)graph.RunForward()!;
        Assert.Equal([2, 5, 16, 16], result.shape);
    }

    private static Dictionary<string, Tensor> State(Module module) => module.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.detach().clone());

    private sealed class Counting : Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.Conv2d first = Conv2d(3, 8, 3);
        private readonly TorchSharp.Modules.Conv2d last = Conv2d(8, 5, 3);

        public Counting() : base(nameof(Counting))
        {
            register_buffer("seen", zeros(1));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            get_buffer("seen")!.add_(1);
            return last.call(functional.relu(first.call(input)));
        }
    }

    [Fact]
    public void Code_that_writes_into_a_buffer_is_traced_and_its_buffer_left_as_found()
    {
        using var scope = NewDisposeScope();
        using var net = new Counting();
        net.call(Example());
        var graph = DependencyGraph.Trace(net, Example());
        Assert.Equal(["8 x first.out last.in"], GroupText.Prunable(graph));
        Assert.Equal(1, net.get_buffer("seen")!.item<float>());
        Assert.False(net.get_buffer("seen")!.requires_grad);
    }
}
