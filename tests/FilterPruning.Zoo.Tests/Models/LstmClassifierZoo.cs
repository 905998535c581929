using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace FilterPruning.Zoo;

/// <summary>A text classifier over the last hidden states of a bidirectional LSTM.</summary>
public static class LstmClassifierZoo
{
    /// <summary>60 words, two layers of 20 in each direction, five classes.</summary>
    public static ZooModel LstmClassifier { get; } = new("lstm_classifier", () => new Classifier(60, 24, 20, 5), model => ((Classifier)model).call(Words(60, 3, 14)));

    /// <summary>Seeded word indices <c>[count, length]</c>, int64.</summary>
    internal static Tensor Words(long vocabulary, long count, long length)
    {
        using var generator = new Generator(1, CPU);
        return randint(vocabulary, [count, length], dtype: int64, generator: generator);
    }

    private sealed class Classifier : Module<Tensor, Tensor>
    {
        private readonly Embedding embedding;
        private readonly LSTM lstm;
        private readonly Dropout dropout;
        private readonly Linear fc;

        public Classifier(long vocabulary, long width, long hidden, long classes)
            : base("LstmClassifier")
        {
            embedding = Embedding(vocabulary, width, padding_idx: 0);
            lstm = LSTM(width, hidden, numLayers: 2, batchFirst: true, bidirectional: true);
            dropout = Dropout(0.2);
            fc = Linear(2 * hidden, classes);
            RegisterComponents();
        }

        public override Tensor forward(Tensor words)
        {
            using var scope = NewDisposeScope();
            var (_, hidden, _) = lstm.call(embedding.call(words)); // hidden: [layers · directions, N, hidden]
            var last = cat([hidden[-2], hidden[-1]], 1);
            return fc.call(dropout.call(last)).MoveToOuterDisposeScope();
        }
    }
}
