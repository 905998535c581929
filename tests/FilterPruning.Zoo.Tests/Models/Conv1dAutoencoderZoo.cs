using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace FilterPruning.Zoo;

/// <summary>An autoencoder for signals: strided convolutions in, transposed ones out.</summary>
public static class Conv1dAutoencoderZoo
{
    /// <summary>Four channels of 64 samples through a code of 12 numbers.</summary>
    public static ZooModel Conv1dAutoencoder { get; } = ZooModel.Of("conv1d_autoencoder", () => new Autoencoder(), 2, 4, 64);

    private sealed class Autoencoder : Module<Tensor, Tensor>
    {
        private readonly Sequential encoder;
        private readonly Linear code;
        private readonly Linear expand;
        private readonly Sequential decoder;

        public Autoencoder()
            : base("Conv1dAutoencoder")
        {
            encoder = Sequential(
                Conv1d(4, 16, 5, stride: 2, padding: 2), BatchNorm1d(16), LeakyReLU(0.1, inplace: true),
                Conv1d(16, 24, 5, stride: 2, padding: 2), BatchNorm1d(24), LeakyReLU(0.1, inplace: true));
            code = Linear(24 * 16, 12);
            expand = Linear(12, 24 * 16);
            decoder = Sequential(
                ConvTranspose1d(24, 16, 4, stride: 2, padding: 1), BatchNorm1d(16), ELU(inplace: true),
                ConvTranspose1d(16, 4, 4, stride: 2, padding: 1), Tanh());
            RegisterComponents();
        }

        public override Tensor forward(Tensor signal)
        {
            using var scope = NewDisposeScope();
            var x = encoder.call(signal); // [N, 24, 16]
            var small = code.call(x.flatten(1));
            return decoder.call(expand.call(small).relu().view(x.shape[0], -1, x.shape[2])).MoveToOuterDisposeScope();
        }
    }
}
