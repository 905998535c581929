using FilterPruning.Recovery;
using FilterPruning.Surgery;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Recovery;

public class BatchNormRecalibrationTests
{
    [Fact]
    public void Statistics_are_those_of_all_inputs_together_norm_after_norm()
    {
        using var scope = NewDisposeScope();
        var net = RepairCase.Norms();
        // Batches of different sizes: averages of batch statistics would differ.
        Tensor[] inputs = [RepairCase.Noise(1, 1), RepairCase.Noise(2, 5) * 2, RepairCase.Noise(3, 2) + 1];

        var report = BatchNormRecalibration.Apply(net.Model, inputs);

        Assert.Equal(["na", "nb", "nc"], report.Norms.Select(norm => norm.Norm));
        Assert.Equal([8 * 64L, 8 * 36, 8 * 36], report.Norms.Select(norm => norm.Positions));
        AssertExact(net, cat(inputs, 0));
    }

    [Fact]
    public void After_the_cut_it_gives_what_the_masked_form_gives()
    {
        using var scope = NewDisposeScope();
        var (before, after) = (RepairCase.Norms(), RepairCase.Norms());
        BiasCompensation.Apply(before.Model, before.Graph, before.Plan, RepairCase.Inputs());
        BatchNormRecalibration.Apply(before.Model, RepairCase.Inputs());
        using var first = Surgeon.Apply(before.Graph, before.Plan);
        using var second = Surgeon.Apply(after.Graph, after.Plan);

        BatchNormRecalibration.Apply(after.Model, RepairCase.Inputs());

        AssertExact(after, cat(RepairCase.Inputs(), 0));
        Assert.InRange(after.RelativeError(RepairCase.Noise(98), before.Output(RepairCase.Noise(98))), 0, 1e-4);
    }

    [Fact]
    public void Only_norms_behind_changed_layers_are_touched_when_a_plan_is_given()
    {
        using var scope = NewDisposeScope();
        var net = RepairCase.Norms();
        using var cut = Surgeon.Apply(net.Graph, net.Plan);
        var before = net.State();

        var report = BatchNormRecalibration.Apply(net.Model, net.Graph, net.Plan, RepairCase.Inputs(), (model, input) => model.call(input));

        Assert.Equal(["nb", "nc"], report.Norms.Select(norm => norm.Norm));
        Assert.All(report.Norms, norm => Assert.True(norm.MeanShift > 0 && norm.VarianceRatio > 0));
        foreach (var (name, value) in net.Model.state_dict())
            Assert.Equal(name is "nb.running_mean" or "nb.running_var" or "nc.running_mean" or "nc.running_var", !value.equal(before[name]).all().item<bool>());
    }

    [Fact]
    public void A_norm_that_is_called_twice_sees_both_calls()
    {
        using var scope = NewDisposeScope();
        var net = new TwiceNet();
        net.eval();
        var input = RepairCase.Noise(1);

        BatchNormRecalibration.Apply(net, [input]);

        using var noGrad = no_grad();
        var first = net.Before.call(input);
        var read = cat([first, first * 3 + 1], 0).transpose(0, 1).flatten(1);
        Assert.InRange((net.Shared.running_mean! - read.mean([1])).abs().max().item<float>(), 0, 1e-5);
        Assert.InRange((net.Shared.running_var! / read.var(1) - 1).abs().max().item<float>(), 0, 1e-4);
        var behind = net.Join(first).transpose(0, 1).flatten(1);
        Assert.InRange((net.Last.running_mean! - behind.mean([1])).abs().max().item<float>(), 0, 1e-5);
    }

    [Fact]
    public void Frozen_norms_are_touched_only_when_asked_for()
    {
        using var scope = NewDisposeScope();
        var net = RepairCase.Norms();
        foreach (var (name, parameter) in net.Model.named_parameters())
            parameter.requires_grad = !name.StartsWith('n') || name.StartsWith("nc", StringComparison.Ordinal);
        Assert.Equal(["nc"], BatchNormRecalibration.Apply(net.Model, RepairCase.Inputs(1)).Norms.Select(norm => norm.Norm));

        foreach (var parameter in net.Model.parameters())
            parameter.requires_grad = false;
        var before = net.State();
        var error = Assert.Throws<PruningException>(() => BatchNormRecalibration.Apply(net.Model, RepairCase.Inputs(1)));
        Assert.Contains("All 3 batch norms", error.Message, StringComparison.Ordinal);
        Assert.Contains("IncludeFrozen", error.Message, StringComparison.Ordinal);
        net.AssertIs(before);

        Assert.Equal(3, BatchNormRecalibration.Apply(net.Model, RepairCase.Inputs(1), new RecalibrationOptions { IncludeFrozen = true }).Norms.Count);
    }

    [Fact]
    public void What_cannot_be_recalibrated_is_refused()
    {
        using var scope = NewDisposeScope();
        var (plain, norms) = (RepairCase.Chain(), RepairCase.Norms());
        Assert.Contains("no batch norm", Assert.Throws<PruningException>(() => BatchNormRecalibration.Apply(plain.Model, RepairCase.Inputs(1))).Message, StringComparison.Ordinal);
        Assert.Contains("no inputs", Assert.Throws<ArgumentException>(() => BatchNormRecalibration.Apply(norms.Model, [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cancelled_it_leaves_statistics_and_training_flags_as_they_were()
    {
        using var scope = NewDisposeScope();
        var net = RepairCase.Norms();
        net.Model.train();
        var before = net.State();
        using var cancellation = new CancellationTokenSource();
        var options = new RecalibrationOptions { Progress = new CancelAtOnce<RepairProgress>(cancellation) };

        Assert.ThrowsAny<OperationCanceledException>(() => BatchNormRecalibration.Apply(net.Model, RepairCase.Inputs(), options, cancellation.Token));

        net.AssertIs(before);
        Assert.True(net.Model.training);
        Assert.All(net.Model.modules(), module => Assert.True(module.training));
    }

    [Fact]
    public void An_error_of_the_forward_leaves_the_model_as_it_was()
    {
        using var scope = NewDisposeScope();
        var net = RepairCase.Norms();
        var before = net.State();
        var calls = 0;

        Assert.Throws<InvalidOperationException>(() => BatchNormRecalibration.Apply(
            net.Model, RepairCase.Inputs(), (model, input) => ++calls > 8 ? throw new InvalidOperationException("tired") : model.call(input)));

        net.AssertIs(before);
    }

    [Fact]
    public void Tensors_are_given_back()
    {
        var inputs = RepairCase.Inputs(2);
        var net = RepairCase.Norms();
        BatchNormRecalibration.Apply(net.Model, inputs);
        var before = LiveTensors.Settled();
        BatchNormRecalibration.Apply(net.Model, inputs);
        Assert.Equal(before, LiveTensors.Settled());
    }

    // Every norm's input, by the model's own forward on everything at once.
    private static void AssertExact(RepairCase net, Tensor all)
    {
        var seen = new List<string>();
        var hooks = new List<Action>();
        foreach (var (name, module) in net.Model.named_modules())
        {
            if (module is not BatchNorm2d norm)
                continue;
            hooks.Add(norm.register_forward_pre_hook((_, x) =>
            {
                var values = x.detach().transpose(0, 1).flatten(1).to(float64);
                Assert.InRange((norm.running_mean! - values.mean([1])).abs().max().item<double>(), 0, 1e-5 * values.std().item<double>());
                Assert.InRange((norm.running_var! / values.var(1) - 1).abs().max().item<double>(), 0, 1e-5);
                seen.Add(name);
                return x;
            }).remove);
        }

        net.Output(all);
        hooks.ForEach(remove => remove());
        Assert.Equal(["na", "nb", "nc"], seen);
    }

    /// <summary>One norm for two tensors, and a norm behind both.</summary>
    private sealed class TwiceNet : nn.Module<Tensor, Tensor>
    {
        private readonly Conv2d before = nn.Conv2d(3, 6, 3);
        private readonly BatchNorm2d shared = nn.BatchNorm2d(6);
        private readonly BatchNorm2d last = nn.BatchNorm2d(6);

        public TwiceNet()
            : base(nameof(TwiceNet))
        {
            RegisterComponents();
        }

        public Conv2d Before => before;

        public BatchNorm2d Shared => shared;

        public BatchNorm2d Last => last;

        public Tensor Join(Tensor x) => nn.functional.relu(shared.call(x)) + shared.call((x * 3) + 1);

        public override Tensor forward(Tensor input) => last.call(Join(before.call(input)));
    }
}
