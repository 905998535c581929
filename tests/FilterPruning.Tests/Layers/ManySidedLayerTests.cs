using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Surgery;
using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace FilterPruning.Tests.LayerTypes;

/// <summary>Repair and criteria on models whose layers take several tensors, or that hold tensors outside all layers.</summary>
public sealed class ManySidedLayerTests
{
    private sealed class Mixed : Module<Tensor, Tensor>
    {
        private readonly Linear stem = Linear(6, 16);
        private readonly Parameter scale = Parameter(ones(16));
        private readonly LayerNorm norm = LayerNorm(16);
        private readonly GRU gru = GRU(16, 12, batchFirst: true);
        private readonly Bilinear pair = Bilinear(12, 16, 14);
        private readonly Linear hidden = Linear(14, 20);
        private readonly Linear last = Linear(20, 3);

        public Mixed() : base(nameof(Mixed)) => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            var x = norm.call(stem.call(input) * scale);
            var (states, _) = gru.call(x);
            return last.call(functional.relu(hidden.call(functional.relu(pair.call(states, x)))));
        }
    }

    [Fact]
    public void Linear_layers_are_repaired_and_others_left_as_cut()
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        using var model = new Mixed();
        model.eval();
        using var example = randn(2, 5, 6);
        List<Tensor> inputs = [.. Enumerable.Range(0, 8).Select(_ => randn(4, 5, 6))];
        var wanted = inputs.Select(input => model.call(input).detach()).ToList();
        var graph = DependencyGraph.Trace(model, example);
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.25 });
        Assert.All(new[] { "stem", "gru", "pair", "hidden", "scale" }, name => Assert.NotEmpty(plan.Find(name)!.RemovedOutputs));
        double raw;
        using (var cut = Surgeon.Apply(graph, plan))
        {
            raw = Distance();
            cut.Undo();
        }

        var report = LeastSquaresRepair.Apply(model, graph, plan, inputs);
        Assert.Equal(["hidden", "last"], report.Layers.Select(layer => layer.Layer).Order(StringComparer.Ordinal));
        using var repaired = Surgeon.Apply(graph, plan);
        Assert.InRange(repaired.ProofError, 0, 1e-4);
        // What least squares may choose on these very inputs includes the weights as they were cut.
        Assert.InRange(Distance(), 0, raw);

        double Distance() => inputs.Zip(wanted, (input, answer) => (model.call(input) - answer).square().mean().item<float>()).Average();
    }

    [Fact]
    public void Channels_are_measured_where_recurrent_and_bilinear_layers_read_them()
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        using var model = new Mixed();
        model.eval();
        using var example = randn(2, 5, 6);
        var graph = DependencyGraph.Trace(model, example);
        // The stem's channel 3 is what the GRU and the bilinear layer read least of.
        using (no_grad())
        {
            model.get_parameter("norm.weight")![3] = 0.001f;
            model.get_parameter("norm.bias")![3] = 0f;
        }

        var criterion = new MeanActivationCriterion(CalibrationBatches.Inputs(model, [randn(4, 5, 6), randn(4, 5, 6)]));
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { LayerRatios = [new LayerRatio("stem", 1.0 / 16)], Criterion = criterion });
        Assert.Equal([3], plan.Find("stem")!.RemovedOutputs);
    }
}
