using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>A text classifier that pools a GRU's outputs by learnt attention over time.</summary>
public static class GruClassifierZoo
{
    /// <summary>50 words, one layer of 24, five classes.</summary>
    public static ZooModel GruClassifier { get; } = new("gru_classifier", () => new Classifier(50, 20, 24, 5), model => ((Classifier)model).call(LstmClassifierZoo.Words(50, 3, 11)));

    private sealed class Classifier : Module<Tensor, Tensor>
    {
        private readonly Embedding embedding;
        private readonly GRU gru;
        private readonly Linear score;
        private readonly Linear hidden;
        private readonly Linear fc;

        public Classifier(long vocabulary, long width, long units, long classes)
            : base("GruClassifier")
        {
            embedding = Embedding(vocabulary, width);
            gru = GRU(width, units, batchFirst: true);
            score = Linear(units, 1, hasBias: false);
            hidden = Linear(units, 16);
            fc = Linear(16, classes);
            RegisterComponents();
        }

        public override Tensor forward(Tensor words)
        {
            using var scope = NewDisposeScope();
            var (states, _) = gru.call(embedding.call(words)); // [N, time, units]
            var attention = F.softmax(score.call(states.tanh()), 1); // [N, time, 1]
            var pooled = (attention * states).sum(1);
            return fc.call(F.relu(hidden.call(pooled), inplace: true)).MoveToOuterDisposeScope();
        }
    }
}
