using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>Are two pictures of the same thing? One tower sees both; a head judges the distance.</summary>
public static class SiameseZoo
{
    /// <summary>A tower of 12 to 32 channels and an embedding of 20.</summary>
    public static ZooModel Siamese { get; } = new("siamese", () => new Network(), model =>
    {
        using var generator = new Generator(1, CPU);
        return ((Network)model).call(randn([2, 1, 28, 28], dtype: float32, generator: generator), randn([2, 1, 28, 28], dtype: float32, generator: generator));
    });

    private sealed class Tower : Module<Tensor, Tensor>
    {
        private readonly Conv2d conv1 = Conv2d(1, 12, 5);
        private readonly Conv2d conv2 = Conv2d(12, 24, 3);
        private readonly BatchNorm2d norm = BatchNorm2d(24);
        private readonly Linear fc1 = Linear(24 * 25, 32);
        private readonly Linear fc2 = Linear(32, 20);

        public Tower()
            : base(nameof(Tower)) => RegisterComponents();

        public override Tensor forward(Tensor picture)
        {
            using var scope = NewDisposeScope();
            var x = F.max_pool2d(F.relu(conv1.call(picture), inplace: true), 2);
            x = F.max_pool2d(F.relu(norm.call(conv2.call(x))), 2); // [N, 24, 5, 5]
            return fc2.call(F.relu(fc1.call(x.flatten(1)))).tanh().MoveToOuterDisposeScope();
        }
    }

    private sealed class Network : Module<Tensor, Tensor, Tensor>
    {
        private readonly Tower tower = new();
        private readonly Linear head = Linear(20, 1);

        public Network()
            : base("Siamese") => RegisterComponents();

        public override Tensor forward(Tensor left, Tensor right)
        {
            using var scope = NewDisposeScope();
            var distance = (tower.call(left) - tower.call(right)).abs_();
            return head.call(distance).sigmoid().squeeze(1).MoveToOuterDisposeScope();
        }
    }
}
