using FilterPruning.Graph;
using FilterPruning.Inference;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using TorchSharp.Modules;

namespace FilterPruning.Tests.InferenceTests;

public class NormFoldingTests
{
    public static TheoryData<string> Layers => ["conv", "conv with bias", "grouped", "depthwise", "transposed", "transposed, grouped", "conv1d", "conv3d", "linear"];

    [Theory]
    [MemberData(nameof(Layers))]
    public void Folding_leaves_the_function_as_it_is(string kind)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var (layer, norm, input) = Make(kind);
        using var model = Ready(nn.Sequential(layer, norm, nn.ReLU()));
        var before = model.call(input);
        using var folded = NormFolding.Apply(model, input);

        Assert.Equal(new FoldedPair("0", "1"), Assert.Single(folded.Folded));
        Assert.Empty(folded.Kept);
        Close(before, model.call(input));
        // The norm does nothing any more: the layer does all of the work.
        Close(before, layer.call(input).relu());
        Assert.True(norm.call(layer.call(input)).equal(layer.call(input)).all().item<bool>());
    }

    [Theory]
    [MemberData(nameof(Layers))]
    public void Undo_brings_back_every_bit(string kind)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var (layer, norm, input) = Make(kind);
        using var model = Ready(nn.Sequential(layer, norm));
        var before = model.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.clone());
        var answer = model.call(input);
        using var folded = NormFolding.Apply(model, input);
        Assert.Contains("folded already", Assert.Throws<PruningException>(() => NormFolding.Apply(model, input)).Message, StringComparison.Ordinal);
        folded.Undo();

        var after = model.state_dict();
        Assert.Equal(before.Keys, after.Keys);
        Assert.All(after, entry => Assert.True(entry.Value.equal(before[entry.Key]).all().item<bool>(), entry.Key));
        Assert.True(model.call(input).equal(answer).all().item<bool>());
        Assert.Throws<InvalidOperationException>(folded.Undo);
        NormFolding.Apply(model, input).Dispose();
    }

    [Fact]
    public void What_cannot_be_folded_stays_with_its_reason()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = new Awkward();
        Ready(model);
        var input = Draw(2, 4, 6, 6);
        var before = model.call(input);
        using var folded = NormFolding.Apply(model, input);

        Assert.Equal([new FoldedPair("plain", "plain_norm")], folded.Folded);
        var reasons = folded.Kept.ToDictionary(kept => kept.Norm, kept => kept.Reason);
        Assert.Contains("something else reads read_twice", reasons["read_twice_norm"], StringComparison.Ordinal);
        Assert.Contains("does not come from a convolution", reasons["first"], StringComparison.Ordinal);
        Assert.Contains("called more often", reasons["called_twice_norm"], StringComparison.Ordinal);
        Assert.Contains("did not call it", reasons["unused"], StringComparison.Ordinal);
        Assert.Contains("own statistics", reasons["instance"], StringComparison.Ordinal);
        Assert.Equal(5, folded.Kept.Count);
        Close(before, model.call(input));
    }

    [Fact]
    public void Training_mode_is_refused()
    {
        using var scope = NewDisposeScope();
        var (layer, norm, input) = Make("conv");
        using var model = Ready(nn.Sequential(layer, norm));
        model.train();
        var weight = layer.parameters().First().clone();
        Assert.Contains("eval()", Assert.Throws<PruningException>(() => NormFolding.Apply(model, input)).Message, StringComparison.Ordinal);
        Assert.True(weight.equal(layer.parameters().First()).all().item<bool>());
    }

    [Fact]
    public void A_folded_model_can_be_pruned()
    {
        using var scope = NewDisposeScope();
        var (layer, norm, input) = Make("conv");
        using var model = Ready(nn.Sequential(layer, norm, nn.ReLU(), nn.Conv2d(12, 3, 1, dtype: ScalarType.Float64)));
        var graph = DependencyGraph.Trace(model, input);
        using var folded = NormFolding.Apply(graph);
        using (var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 })))
        {
            Assert.Equal(6, ((Conv2d)layer).out_channels);
            Assert.True(cut.ProofError < 1e-9);
            Assert.Contains("Undo the cut first", Assert.Throws<PruningException>(folded.Undo).Message, StringComparison.Ordinal);
            cut.Undo();
        }

        folded.Undo();
    }

    [Fact]
    public void Nothing_is_left_behind()
    {
        using var outer = NewDisposeScope();
        using var guard = no_grad();
        var (layer, norm, input) = Make("conv");
        using var model = Ready(nn.Sequential(layer, norm));
        NormFolding.Apply(model, input).Undo();
        var before = LiveTensors.Settled();
        NormFolding.Apply(model, input).Undo();
        var after = LiveTensors.Settled();
        Assert.Equal(before + OfAParameter(), after);

        // TorchSharp's count never forgets the tensor that a Parameter took over; the layer without a bias got one.
        static long OfAParameter()
        {
            var before = LiveTensors.Settled();
            using (NewDisposeScope())
                new Parameter(ones(12)).Dispose();
            return LiveTensors.Settled() - before;
        }
    }

    private static (nn.Module<Tensor, Tensor> Layer, nn.Module<Tensor, Tensor> Norm, Tensor Input) Make(string kind) => kind switch
    {
        "conv" => (nn.Conv2d(4, 12, 3, bias: false), nn.BatchNorm2d(12), Draw(2, 4, 6, 6)),
        "conv with bias" => (nn.Conv2d(4, 12, 3), nn.BatchNorm2d(12), Draw(2, 4, 6, 6)),
        "grouped" => (nn.Conv2d(4, 12, 3, groups: 2), nn.BatchNorm2d(12), Draw(2, 4, 6, 6)),
        "depthwise" => (nn.Conv2d(4, 4, 3, groups: 4, bias: false), nn.BatchNorm2d(4), Draw(2, 4, 6, 6)),
        "transposed" => (nn.ConvTranspose2d(4, 6, 3, stride: 2), nn.BatchNorm2d(6), Draw(2, 4, 5, 5)),
        "transposed, grouped" => (nn.ConvTranspose2d(4, 6, 3, stride: 2, groups: 2, bias: false), nn.BatchNorm2d(6), Draw(2, 4, 5, 5)),
        "conv1d" => (nn.Conv1d(4, 5, 3), nn.BatchNorm1d(5), Draw(2, 4, 9)),
        "conv3d" => (nn.Conv3d(2, 5, 2, bias: false), nn.BatchNorm3d(5), Draw(2, 2, 4, 4, 4)),
        "linear" => (nn.Linear(7, 5, hasBias: false), nn.BatchNorm1d(5), Draw(3, 7)),
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    // In double precision, so that only a wrong formula shows; norms that do something.
    private static T Ready<T>(T model)
        where T : nn.Module<Tensor, Tensor>
    {
        using var guard = no_grad();
        using var generator = new Generator(7);
        model.to(ScalarType.Float64);
        foreach (var (name, tensor) in model.state_dict().Where(entry => entry.Value.is_floating_point()))
        {
            if (name.EndsWith("running_var", StringComparison.Ordinal))
                tensor.uniform_(0.3, 3, generator);
            else
                tensor.normal_(0, 0.7, generator);
        }

        model.eval();
        return model;
    }

    private static Tensor Draw(params long[] shape)
    {
        using var generator = new Generator(13);
        return randn(shape, dtype: ScalarType.Float64, generator: generator);
    }

    private static void Close(Tensor expected, Tensor given)
    {
        // A few dozen terms in double precision.
        var error = (expected - given).abs().max().item<double>();
        Assert.True(error <= 200 * Math.Pow(2, -53) * Math.Max(1, expected.abs().max().item<double>()), $"{error}");
    }

    private sealed class Awkward : nn.Module<Tensor, Tensor>
    {
        private readonly BatchNorm2d first = nn.BatchNorm2d(4);
        private readonly Conv2d plain = nn.Conv2d(4, 4, 3, padding: 1);
        private readonly BatchNorm2d plain_norm = nn.BatchNorm2d(4);
        private readonly Conv2d read_twice = nn.Conv2d(4, 4, 1);
        private readonly BatchNorm2d read_twice_norm = nn.BatchNorm2d(4);
        private readonly Conv2d called_twice = nn.Conv2d(4, 4, 1);
        private readonly BatchNorm2d called_twice_norm = nn.BatchNorm2d(4);
        private readonly InstanceNorm2d instance = nn.InstanceNorm2d(4);
        private readonly BatchNorm2d unused = nn.BatchNorm2d(4);

        public Awkward()
            : base(nameof(Awkward)) => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            var x = plain_norm.call(plain.call(first.call(input)));
            var y = read_twice.call(x);
            x = read_twice_norm.call(y) + y;
            x = called_twice_norm.call(called_twice.call(x)) + called_twice.call(x);
            return instance.call(x);
        }
    }
}
