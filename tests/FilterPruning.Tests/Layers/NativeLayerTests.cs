using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace FilterPruning.Tests.LayerTypes;

/// <summary>Layers that keep their widths and options on the native side.</summary>
public sealed class NativeLayerTests
{
    [Theory]
    [InlineData(1, 16, 0.0, false, false)]
    [InlineData(4, 16, 0.0, true, false)]
    [InlineData(4, 16, 0.3, false, true)]
    [InlineData(8, 24, 0.1, false, false)]
    public void Attention_tells_its_options(long heads, long width, double dropout, bool addBias, bool addZero)
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        var layer = MultiheadAttention(width, heads, dropout, add_bias_kv: addBias, add_zero_attn: addZero);
        using (no_grad()) foreach (var parameter in layer.parameters().Where(p => p.dim() == 1)) parameter.normal_();
        var before = layer.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.clone());
        var options = AttentionOptions.Of(layer, new AttentionWeights(layer));
        Assert.Equal((heads, addZero), (options.Heads, options.AddZero));
        Assert.Equal(dropout, options.Dropout, 0.002);
        foreach (var (name, value) in layer.state_dict()) Assert.True(value.equal(before[name]).all().item<bool>(), name);
    }

    [Theory]
    [InlineData(0.0, false, true)]
    [InlineData(0.25, false, true)]
    [InlineData(0.5, true, true)]
    [InlineData(0.1, false, false)]
    public void Recurrent_layers_tell_their_dropout(double dropout, bool bidirectional, bool bias)
    {
        using var scope = NewDisposeScope();
        var lstm = LSTM(5, 6, 3, bias, batchFirst: true, dropout, bidirectional);
        using var wide = new LstmRule().Resized(lstm, 5, bidirectional ? 12 : 6);
        var gru = GRU(5, 6, 2, bias, batchFirst: false, dropout, bidirectional);
        Assert.Equal(dropout, DropoutOf(lstm), 0.002);
        Assert.Equal(dropout, DropoutOf(wide), 0.002);
        Assert.Equal(dropout, DropoutOf(gru), 0.002);

        static double DropoutOf(nn.Module module) => module is LSTM ? Probe(module, new LstmRule()) : Probe(module, new GruRule());

        static double Probe(nn.Module module, RecurrentRule rule) => rule.DropoutOf(module);
    }

    private sealed class Reader : Module<Tensor, Tensor>
    {
        private readonly Embedding embedding = Embedding(20, 12);
        private readonly LSTM lstm;
        private readonly GRU gru;
        private readonly Linear head;

        public Reader(long layers, bool bidirectional) : base(nameof(Reader))
        {
            var directions = bidirectional ? 2 : 1;
            lstm = LSTM(12, 10, layers, batchFirst: true, bidirectional: bidirectional);
            gru = GRU(10 * directions, 8, layers, batchFirst: true, bidirectional: bidirectional);
            head = Linear(8 * directions, 3);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            var (words, _, _) = lstm.call(embedding.call(input));
            var (states, _) = gru.call(words);
            return head.call(states.mean([1L]));
        }
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    public void Recurrent_layers_are_cut_and_proved(long layers, bool bidirectional)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var model = new Reader(layers, bidirectional);
        var input = randint(20, [2, 7], dtype: int64);
        var graph = DependencyGraph.Trace(model, input);
        var before = model.call(input).clone();
        var bias = model.state_dict()["head.bias"].clone();
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 });
        var optimizer = optim.Adam(model.parameters());
        using (var cut = Surgeon.Apply(graph, plan, new SurgeryOptions { Optimizers = [optimizer] }))
        {
            Assert.InRange(cut.ProofError, 0, 1e-5);
            Assert.Equal(plan.Predicted, ModelCost.Measure(graph));
            Assert.Equal(plan.Predicted.Parameters, model.parameters().Sum(p => p.numel()));
            model.train();
            model.call(input).square().mean().backward();
            optimizer.step();
            model.eval();
            Assert.False(model.call(input).isnan().any().item<bool>());
            cut.Undo();
        }
        // What the cut did not touch was trained and stays so.
        using (no_grad()) model.state_dict()["head.bias"].copy_(bias);
        Assert.True(model.call(input).equal(before).all().item<bool>());
        Assert.Equal([6, 5 * (bidirectional ? 2 : 1), 4 * (bidirectional ? 2 : 1)], new[] { "embedding", "lstm", "gru" }.Select(name => plan.Find(name)!.KeptOutputs));
    }

    private sealed class Block : Module<Tensor, Tensor>
    {
        private readonly Linear stem = Linear(6, 24);
        private readonly LayerNorm norm = LayerNorm(24);
        private readonly MultiheadAttention attention;
        private readonly Linear up = Linear(24, 32);
        private readonly Linear down = Linear(32, 24);
        private readonly Linear head = Linear(24, 3);

        public Block(long heads, bool extras = false) : base(nameof(Block))
        {
            attention = MultiheadAttention(24, heads, add_bias_kv: extras, add_zero_attn: extras);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            var x = stem.call(input);                                   // [L, N, E]
            var y = norm.call(x);
            x = x + attention.call(y, y, y, need_weights: false).Item1;
            x = x + down.call(functional.gelu(up.call(x)));
            return head.call(x.mean([0L]));
        }
    }

    [Theory]
    [InlineData(2, false)]
    [InlineData(4, true)]
    [InlineData(8, false)]
    public void Attention_is_cut_and_proved(long heads, bool extras)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var model = new Block(heads, extras);
        var input = randn(5, 2, 6);
        var graph = DependencyGraph.Trace(model, input);
        var before = model.call(input).clone();
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 });
        using var cut = Surgeon.Apply(graph, plan);
        Assert.InRange(cut.ProofError, 0, 1e-5);
        Assert.Equal([12, 12, 16], new[] { "stem", "attention", "up" }.Select(name => plan.Find(name)!.KeptOutputs));
        Assert.Equal(plan.Predicted.Parameters, model.parameters().Sum(p => p.numel()));
        model.train();
        model.call(input).square().mean().backward();
        Assert.All(model.parameters(), parameter => Assert.NotNull(parameter.grad));
        model.eval();
        cut.Undo();
        Assert.True(model.call(input).equal(before).all().item<bool>());
    }
}
