using FilterPruning.Recovery;
using FilterPruning.Surgery;

namespace FilterPruning.Tests.Recovery;

public class DataFreeRepairTests
{
    [Theory]
    [InlineData("conv")]
    [InlineData("conv-norm")]
    [InlineData("flatten")]
    [InlineData("grouped")]
    public void Duplicates_of_filters_are_merged_exactly(string kind)
    {
        using var scope = NewDisposeScope();
        var net = RepairCase.Twins(kind);
        var test = RepairCase.Noise(98) * 3;
        var dense = net.Output(test);

        DataFreeRepair.Apply(net.Model, net.Graph, net.Plan, RepairCase.Inputs());
        using var cut = Surgeon.Apply(net.Graph, net.Plan);

        Assert.InRange(net.RelativeError(test, dense), 0, 1e-4);
    }

    [Fact]
    public void On_made_up_inputs_a_norm_sees_its_own_statistics()
    {
        using var scope = NewDisposeScope();
        var net = Trained();
        var before = net.State();
        var inputs = MadeUp();
        using (var borrowed = new BorrowedStatistics(net.Graph, [.. inputs.Select<Tensor, Action>(input => () => net.Model.call(input))], default))
        {
            var output = net.Output(cat(inputs, 0));                          // of the last norm
            var (weight, bias) = (before["nc.weight"], before["nc.bias"]);
            Assert.InRange((output.mean([0, 2, 3]) - bias).abs().max().item<float>(), 0, 1e-4);
            Assert.InRange((output.std([0L, 2, 3]) - weight.abs()).abs().max().item<float>(), 0, 1e-3);
            borrowed.GiveBack();
        }

        net.AssertIs(before);
    }

    [Fact]
    public void What_a_repair_adds_to_a_running_mean_meanwhile_stays()
    {
        using var scope = NewDisposeScope();
        var net = Trained();
        var before = net.State();
        using var borrowed = new BorrowedStatistics(net.Graph, [.. MadeUp().Select<Tensor, Action>(input => () => net.Model.call(input))], default);
        using (no_grad())
            net.Model.state_dict()["nb.running_mean"].add_(0.25);

        borrowed.GiveBack();

        Assert.InRange((net.Model.state_dict()["nb.running_mean"] - before["nb.running_mean"] - 0.25).abs().max().item<float>(), 0, 1e-5);
        Assert.True(net.Model.state_dict()["nb.running_var"].equal(before["nb.running_var"]).all().item<bool>());
    }

    [Fact]
    public void Without_one_real_input_the_answers_come_closer_to_the_dense_models()
    {
        using var scope = NewDisposeScope();
        var (raw, repaired) = (Trained(), Trained());
        var test = Real(50);
        var dense = raw.Output(test);
        using var rawCut = Surgeon.Apply(raw.Graph, raw.Plan);

        DataFreeRepair.Apply(repaired.Model, repaired.Graph, repaired.Plan, MadeUp());
        using var cut = Surgeon.Apply(repaired.Graph, repaired.Plan);

        var (before, after) = ((raw.Output(test) - dense).square().mean().item<float>(), (repaired.Output(test) - dense).square().mean().item<float>());
        Assert.True(after < 0.6 * before, $"raw {before}, repaired {after}");
    }

    [Fact]
    public void Cancelled_it_leaves_the_model_as_it_was()
    {
        using var scope = NewDisposeScope();
        var net = Trained();
        var before = net.State();
        using var cancellation = new CancellationTokenSource();
        var options = new RepairOptions { Progress = new CancelAtOnce<RepairProgress>(cancellation) };

        Assert.ThrowsAny<OperationCanceledException>(() => DataFreeRepair.Apply(net.Model, net.Graph, net.Plan, MadeUp(), options, cancellation.Token));

        net.AssertIs(before);
    }

    [Fact]
    public void What_cannot_be_used_is_refused()
    {
        using var scope = NewDisposeScope();
        var (net, other) = (Trained(), RepairCase.Chain());
        Assert.Contains("no inputs", Assert.Throws<ArgumentException>(() => DataFreeRepair.Apply(net.Model, net.Graph, net.Plan, [])).Message, StringComparison.Ordinal);
        Assert.Contains("another model", Assert.Throws<ArgumentException>(() => DataFreeRepair.Apply(other.Model, net.Graph, net.Plan, MadeUp())).Message, StringComparison.Ordinal);
        var before = net.State();
        Assert.Throws<PruningException>(() => DataFreeRepair.Apply(net.Model, net.Graph, other.Plan, MadeUp()));
        net.AssertIs(before);
    }

    [Fact]
    public void Tensors_are_given_back()
    {
        var inputs = MadeUp();
        var net = RepairCase.Norms();
        DataFreeRepair.Apply(net.Model, net.Graph, net.Plan, inputs);
        var before = LiveTensors.Settled();
        DataFreeRepair.Apply(net.Model, net.Graph, net.Plan, inputs);
        Assert.Equal(before, LiveTensors.Settled());
    }

    [Fact]
    public void Made_up_images_are_reproducible_and_within_range()
    {
        using var scope = NewDisposeScope();
        var (first, again, other) = (SyntheticImages.Create(3, 3, 20, 30, seed: 4), SyntheticImages.Create(3, 3, 20, 30, seed: 4), SyntheticImages.Create(3, 3, 20, 30, seed: 5));
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal([3L, 20, 30], first[i].shape);
            Assert.True(first[i].equal(again[i]).all().item<bool>());
            Assert.False(first[i].equal(other[i]).all().item<bool>());
            Assert.InRange(first[i].min().item<float>(), 0, 1);
            Assert.InRange(first[i].max().item<float>(), 0, 1);
            Assert.True(first[i].std().item<float>() > 0.1);
        }

        Assert.False(first[0].equal(first[1]).all().item<bool>());
        Assert.Throws<ArgumentOutOfRangeException>(() => SyntheticImages.Create(0, 3, 8, 8));
        Assert.Throws<ArgumentOutOfRangeException>(() => SyntheticImages.Create(1, 3, 8, 0));
    }

    [Fact]
    public void Neighbours_in_a_made_up_image_are_alike()
    {
        using var scope = NewDisposeScope();
        var image = SyntheticImages.Create(1, 1, 64, 64)[0].squeeze(0);
        var step = (image.narrow(1, 1, 63) - image.narrow(1, 0, 63)).square().mean().item<float>();
        // White noise would have twice its variance here.
        Assert.True(step < 0.75 * image.var().item<float>(), $"{step} against {image.var().item<float>()}");
    }

    // A net whose statistics come from data of another kind than the made-up images.
    private static RepairCase Trained()
    {
        var net = RepairCase.Norms();
        BatchNormRecalibration.Apply(net.Model, [Real(1), Real(2), Real(3)]);
        return net;
    }

    private static Tensor Real(int seed) => nn.functional.avg_pool2d(RepairCase.Noise(seed, 16), 3, 1, 1) * 2 + 0.5;

    private static Tensor[] MadeUp() => [.. SyntheticImages.Create(12, 3, 8, 8).Chunk(4).Select(images => stack(images))];
}
