using System.Security.Cryptography;
using FilterPruning.Tests.Tracing;
using TorchSharp.Modules;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Tests.Planning;

/// <summary>A small net with a residual sum, a norm and a flattened head, its data, and an optimizer: something to train between cuts.</summary>
internal sealed class TrainedNet : IDisposable
{
    private readonly Tensor _labels;

    public TrainedNet(Func<IEnumerable<Parameter>, optim.Optimizer>? optimizer = null, nn.Module<Tensor, Tensor>? model = null, long[]? shape = null)
    {
        using var generator = new Generator(5, CPU);
        Model = model ?? Build();
        using (no_grad())
        {
            foreach (var parameter in Model.parameters().Where(parameter => parameter.dim() > 1))
                parameter.copy_(randn(parameter.shape, generator: generator) / Math.Sqrt(parameter.numel() / (double)parameter.shape[0]));
        }

        Example = randn(shape ?? [6, 3, 8, 8], generator: generator);
        _labels = randint(0, 4, [6], generator: generator);
        Optimizer = (optimizer ?? (parameters => optim.Adam(parameters, lr: 0.01)))(Model.parameters());
    }

    public nn.Module<Tensor, Tensor> Model { get; }

    public Tensor Example { get; }

    public optim.Optimizer Optimizer { get; }

    public static Net Build() => new(
        (n, x) =>
        {
            var a = F.relu(n.Call("norm", n.Call("stem", x)));
            a = F.relu(n.Call("inner", a) + a);
            a = F.relu(n.Call("wide", a));
            return n.Call("classes", F.adaptive_avg_pool2d(a, 2).flatten(1));
        },
        ("stem", Nets.Conv(3, 16)), ("norm", nn.BatchNorm2d(16)), ("inner", Nets.Conv(16, 16)), ("wide", Nets.Conv(16, 24)), ("classes", nn.Linear(24 * 4, 4)));

    /// <summary>Sequences of five values, two recurrent layers of native code, a classifier on the last position.</summary>
    public static nn.Module<Tensor, Tensor> Recurrent() => new RecurrentNet();

    public void Train(int steps = 2)
    {
        Model.train();
        for (var i = 0; i < steps; i++)
        {
            using var scope = NewDisposeScope();
            Optimizer.zero_grad();
            F.cross_entropy(Model.call(Example), _labels).backward();
            Optimizer.step();
        }
    }

    /// <summary>A digest of everything there is: weights, buffers, gradients, shapes, training flags, optimizer state and settings.</summary>
    public string Digest()
    {
        using var scope = NewDisposeScope();
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        foreach (var (name, tensor) in Model.state_dict().OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            writer.Write(name);
            Write(tensor);
            if (tensor.is_leaf && tensor.grad is { } gradient)
                Write(gradient);
            writer.Write(tensor.requires_grad);
        }

        foreach (var (name, module) in Model.named_modules())
            writer.Write($"{name} {module.training}");
        ((OptimizerHelper)Optimizer).save_state_dict(writer);
        foreach (var group in Optimizer.ParamGroups)
            writer.Write(group.LearningRate);
        writer.Flush();
        return Convert.ToHexString(SHA256.HashData(bytes.ToArray()));

        void Write(Tensor tensor)
        {
            foreach (var length in tensor.shape)
                writer.Write(length);
            writer.Write(tensor.detach().contiguous().bytes);
        }
    }

    public void Dispose()
    {
        Model.Dispose();
        Optimizer.Dispose();
        Example.Dispose();
        _labels.Dispose();
    }

    private sealed class RecurrentNet : nn.Module<Tensor, Tensor>
    {
        private readonly LSTM first = nn.LSTM(5, 12, batchFirst: true);
        private readonly GRU second = nn.GRU(12, 10, batchFirst: true);
        private readonly Linear classes = nn.Linear(10, 4);

        public RecurrentNet()
            : base(nameof(RecurrentNet)) => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var (a, _, _) = first.call(input);  // [N, T, 12]
            var (b, _) = second.call(a);        // [N, T, 10]
            return classes.call(b.select(1, -1)).MoveToOuterDisposeScope();
        }
    }
}
