using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Inference;
using FilterPruning.Latency;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Schedules;
using FilterPruning.Surgery;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Latency;

/// <summary>Predictions follow from the times of layers in a known way; here these come from formulas instead of a clock.</summary>
public sealed class LatencyModelTests : IDisposable
{
    private const double Whole = 40;
    private static readonly Dictionary<string, double> _gaps = new() { ["second"] = 3, ["last"] = 2, [""] = 1 };

    private readonly Sequential _net = nn.Sequential(
        ("first", nn.Conv2d(3, 32, 3, padding: 1)), ("norm", nn.BatchNorm2d(32)), ("relu", nn.ReLU()),
        ("second", nn.Conv2d(32, 64, 3, padding: 1)), ("relu2", nn.ReLU()), ("third", nn.Conv2d(64, 64, 1)), ("pool", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("last", nn.Linear(64, 5)));

    private readonly Tensor _example = ones(1, 3, 8, 8);
    private readonly DependencyGraph _graph;
    private readonly string _folder = Directory.CreateTempSubdirectory("filter-pruning-").FullName;

    public LatencyModelTests()
    {
        _net.eval();
        _graph = DependencyGraph.Trace(_net, _example);
    }

    public void Dispose()
    {
        _net.Dispose();
        _example.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void A_prediction_is_the_sum_of_layers_gaps_in_front_of_them_and_what_is_fixed()
    {
        var model = Model(Product);
        var plan = PruningPlanner.CreatePlan(_graph, new PruningOptions { Ratio = 0.5 });

        var dense = _graph.Layers.Sum(layer => Product(layer, layer.InputChannels, layer.OutputChannels));
        var pruned = plan.Layers.Sum(layer => Product(_graph.Layers.Single(traced => traced.Name == layer.Name), layer.KeptInputs, layer.KeptOutputs));
        var beyond = Whole - dense;
        Assert.True(beyond > 0);
        Assert.Equal(Whole, model.Of(PruningPlanner.CreatePlan(_graph, new PruningOptions())), 1e-9);
        // In proportion to the gaps: those in front of a layer halve with its inputs.
        Assert.Equal(beyond * 1 / 6, model.Floor, 1e-9);
        Assert.Equal(model.Floor + pruned + (beyond * (3 + 2) / 6 / 2), model.Of(plan), 1e-9);
        Assert.Equal(["third", "second", "first"], model.Layers.Take(3).Select(layer => layer.Name));
    }

    public static TheoryData<string, PruningScope> Targets => new() { { "latency:0.6", PruningScope.Local }, { "latency:30ms", PruningScope.Global }, { "latency:0.8", PruningScope.Allocated } };

    [Theory]
    [MemberData(nameof(Targets))]
    public void A_target_of_latency_is_met_and_not_undercut(string text, PruningScope scope)
    {
        var model = Model(Product);
        using var sample = CalibrationSample.Collect(_net, _graph, [_example], static (net, input) => net.call(input));
        var options = new PruningOptions { Target = PruningTarget.Parse(text), Scope = scope, Latency = model };
        if (scope == PruningScope.Allocated)
            options = options with { Criterion = new ReconstructionCriterion(sample) };
        var plan = PruningPlanner.CreatePlan(_graph, options);
        var most = options.Target!.Share is { } share ? share * Whole : options.Target.Amount!.Value / 1000.0;
        // One channel of any layer is less than 2 % of the whole here.
        Assert.InRange(model.Of(plan), most - (0.02 * Whole), most + 1e-3);
        Assert.Equal(options.Target, PruningTarget.Parse(plan.Settings.Target!.ToString()));
        Assert.Equal(plan.ToJson(), PruningPlan.FromJson(plan.ToJson()).ToJson());
    }

    /// <summary>The share that a plan needs is smaller than that of the operations where a part of the time cannot be saved.</summary>
    [Fact]
    public void What_cannot_be_reached_is_said_with_what_can()
    {
        var error = Assert.Throws<PruningOptionsException>(() => PruningPlanner.CreatePlan(_graph, new PruningOptions { Target = PruningTarget.KeepLatencyShare(0.01), Latency = Model(Product) }));
        Assert.Contains("latency", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<PruningOptionsException>(() => PruningPlanner.CreatePlan(_graph, new PruningOptions { Target = PruningTarget.KeepLatencyShare(0.5) }));
        Assert.Contains("LatencyModel.Measure(graph)", error.Message, StringComparison.Ordinal);
        using var other = nn.Conv2d(3, 8, 3);
        var foreign = DependencyGraph.Trace(other, _example);
        error = Assert.Throws<PruningOptionsException>(() => PruningPlanner.CreatePlan(foreign, new PruningOptions { Target = PruningTarget.KeepLatencyShare(0.5), Latency = Model(Product) }));
        Assert.Contains("another model", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<PruningOptionsException>(() => IterativePruner.Run(_net, net => net.call(_example), new IterativeOptions { Pruning = new PruningOptions { Target = PruningTarget.KeepLatencyShare(0.5), Latency = Model(Product) } }, _ => { }));
        Assert.Contains("one step", error.Message, StringComparison.Ordinal);
        Assert.Throws<PruningOptionsException>(() => LatencyModel.Measure(_graph, new LatencyOptions { Shares = [0.5, 0.25, 1] }));
    }

    /// <summary>Kernels that work in eights: widths in between cost as much as the next eight.</summary>
    [Theory]
    [InlineData(8)]
    [InlineData(16)]
    public void Widths_are_rounded_where_that_is_faster(int lanes)
    {
        var model = Model((layer, inputs, outputs) => Product(layer, inputs, outputs) * (inputs % lanes == 0 && outputs % lanes == 0 ? 1 : 1.5), multiple: true);
        Assert.Equal(lanes, model.ChannelMultiple);
        var plan = PruningPlanner.CreatePlan(_graph, new PruningOptions { Target = PruningTarget.KeepLatencyShare(0.7), Latency = model });
        Assert.All(plan.Layers.Where(layer => layer.RemovedOutputs.Count > 0), layer => Assert.Equal(0, layer.KeptOutputs % lanes));
        // Any other target is met in these widths too, where nothing else was asked for, and widths in between are reckoned as the next multiple.
        plan = PruningPlanner.CreatePlan(_graph, new PruningOptions { Ratio = 0.3, Latency = model });
        Assert.All(plan.Layers.Where(layer => layer.RemovedOutputs.Count > 0), layer => Assert.Equal(0, layer.KeptOutputs % lanes));
        var odd = PruningPlanner.CreatePlan(_graph, new PruningOptions { LayerRatios = [new("third", 1 / 64.0)] });
        Assert.Equal(63, odd.Find("third")!.KeptOutputs);
        Assert.Equal(model.Of(odd), model.Of(odd.Layers), 1e-9);
        // Only the last layer reads fewer channels, and less is done in front of it.
        Assert.InRange(model.Measured - model.Of(odd), 1e-6, Product(_graph.Layers.Single(layer => layer.Name == "last"), 64, 5) + Whole);
        Assert.Equal(1, Model(Product, multiple: true).ChannelMultiple);
    }

    /// <summary>Kernels that fill up the last eight: a width in between is never slower than the next multiple, and still a waste beside the nearest. Time that grows evenly gains nothing.</summary>
    [Theory]
    [InlineData(8)]
    [InlineData(16)]
    public void Widths_are_rounded_where_time_grows_in_steps(int lanes)
    {
        int Filled(int width) => (width + lanes - 1) / lanes * lanes;
        Assert.Equal(lanes, Model((layer, inputs, outputs) => Product(layer, Filled(inputs), Filled(outputs)), multiple: true).ChannelMultiple);
        Assert.Equal(1, Model((layer, inputs, outputs) => 1 + (0.01 * (inputs + outputs)), multiple: true).ChannelMultiple);
    }

    /// <summary>Something else takes the processor while one width is timed for the first time.</summary>
    [Theory]
    [InlineData("second", 16, 32)]
    [InlineData("second", 8, 4)]
    [InlineData("norm", 16, 16)]
    public void A_time_that_is_longer_than_that_of_a_wider_layer_is_taken_again(string name, int inputs, int outputs)
    {
        var disturbed = 0;
        var model = Model((layer, i, o) => Product(layer, i, o) * ((layer.Name, i, o) == (name, inputs, outputs) && disturbed++ == 0 ? 20 : 1));
        Assert.Equal(2, disturbed);
        var plan = PruningPlanner.CreatePlan(_graph, new PruningOptions { Ratio = 0.5 });
        Assert.Equal(Model(Product).Of(plan), model.Of(plan), 1e-9);
        Assert.Equal(Model(Product).Layers, model.Layers);
    }

    /// <summary>What is done in front of a layer is booked on it, also where that layer runs as one operation with what follows it.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Gaps_are_booked_where_they_are(bool prepared)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var first = nn.Conv2d(3, 4, 1);
        using var second = nn.Conv2d(4, 4, 1);
        using var net = nn.Sequential(("first", first), ("second", second));
        var graph = DependencyGraph.Trace(net, _example);
        using var fused = new FusedConvolution(second);
        if (prepared)
            fused.Prepare();
        var now = 0.0;
        var gaps = ForwardGaps.Measure(graph.Layers, Forward, rounds: 3, () => now);
        // Three gaps of 5, 40 and 1; those of the ends take 3 on average, which is taken for what every gap costs.
        Assert.Equal(new Dictionary<string, double> { [""] = 9, ["second"] = 37 }, gaps);
        Assert.Equal(FusedConvolution.IsSupported && prepared, fused.IsFusedFor(ones(1, 4, 2, 2)));

        void Forward()
        {
            using var inner = NewDisposeScope();
            now += 5;
            var middle = first.call(_example);
            now += 40;
            fused.Run(middle);
            now += 1;
        }
    }

    [Fact]
    public void A_model_is_timed_on_its_own_layers_and_left_as_it_was()
    {
        using var scope = NewDisposeScope();
        using var net = nn.Sequential(
            ("stem", nn.Conv2d(3, 16, 3, padding: 1)), ("norm", nn.BatchNorm2d(16)), ("depth", nn.Conv2d(16, 16, 3, padding: 1, groups: 16)), ("grouped", nn.Conv2d(16, 24, 1, groups: 4)),
            ("up", nn.ConvTranspose2d(24, 12, 2, stride: 2)), ("pool", nn.AdaptiveAvgPool2d(2)), ("flat", nn.Flatten()), ("head", nn.Linear(48, 7)));
        net.train();
        var before = net.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.clone());
        var graph = DependencyGraph.Trace(net, _example);
        var live = LiveTensors.Settled();
        var model = LatencyModel.Measure(graph, new LatencyOptions { Repeats = 1, Shares = [0.25, 1] });

        Assert.Equal(live, LiveTensors.Settled());
        Assert.True(net.training);
        Assert.All(net.state_dict(), entry => Assert.True(entry.Value.equal(before[entry.Key]).all().item<bool>()));
        net.call(ones(2, 3, 8, 8));                                     // widths fit again
        Assert.Equal(["depth", "grouped", "head", "norm", "stem", "up"], model.Layers.Select(layer => layer.Name).Order());
        Assert.All(model.Layers, layer => Assert.True(layer.Milliseconds > 0));
        Assert.True(model.Measured > 0);
        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 }));
    }

    [Fact]
    public void Layers_that_are_prepared_for_inference_are_timed_so()
    {
        Assert.SkipUnless(FusedConvolution.IsSupported, "This build of libtorch has no oneDNN.");
        using var first = new FusedConvolution((Conv2d)_net[0], (BatchNorm2d)_net[1]);
        using var second = new FusedConvolution((Conv2d)_net[3]);
        using var last = new FusedLinear((Linear)_net[8]);
        var cache = Path.Combine(_folder, "prepared.json");
        var options = new LatencyOptions { Repeats = 1, Shares = [0.5, 1], MeasureMultiple = false, CachePath = cache };
        first.Prepare();
        second.Prepare();
        last.Prepare();
        var prepared = LatencyModel.Measure(_graph, options);
        // The norm is part of the convolution before it.
        Assert.Equal(["first", "last", "second", "third"], prepared.Layers.Select(layer => layer.Name).Order());
        first.Release();
        second.Release();
        Assert.Equal(["first", "last", "norm", "second", "third"], LatencyModel.Measure(_graph, options).Layers.Select(layer => layer.Name).Order());
        // Times of the same layer run one way and the other are kept apart.
        var kept = File.ReadAllText(cache);
        Assert.Contains("prepared Conv2d", kept, StringComparison.Ordinal);
        Assert.Contains(": Conv2d", kept, StringComparison.Ordinal);
        Assert.Contains("prepared Linear", kept, StringComparison.Ordinal);
    }

    [Fact]
    public void Times_are_kept_and_not_measured_again()
    {
        var path = Path.Combine(_folder, "latency.json");
        var calls = 0;
        var first = Model(Counted, cache: path);
        Assert.True(calls > 0);
        calls = 0;
        var second = Model(Counted, cache: path);
        Assert.Equal(0, calls);
        Assert.Equal(first.Layers, second.Layers);

        File.WriteAllText(path, "[1, 2");
        Assert.Contains(path, Assert.Throws<PruningException>(() => Model(Counted, cache: path)).Message, StringComparison.Ordinal);

        double Counted(TracedLayer layer, int inputs, int outputs)
        {
            calls++;
            return Product(layer, inputs, outputs);
        }
    }

    // Milliseconds of a call: an overhead, and something for each pair of channels.
    private static double Product(TracedLayer layer, int inputs, int outputs) => layer.Kind switch
    {
        "Conv2d" => 0.5 + (0.003 * inputs * outputs),
        "Linear" => 0.1 + (0.001 * inputs * outputs),
        _ => 0.01 * inputs,
    };

    private LatencyModel Model(Func<TracedLayer, int, int, double> time, bool multiple = false, string? cache = null) => LatencyModel.Measure(
        _graph,
        new LatencyOptions { MeasureMultiple = multiple, CachePath = cache },
        (layer, _, inputs, outputs) => time(layer, inputs, outputs),
        (_, _, _) => Whole,
        (_, _, _, _) => _gaps,
        CancellationToken.None);
}
