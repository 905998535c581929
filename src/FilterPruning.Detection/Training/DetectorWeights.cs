using FilterPruning.Detection.Models;
using FilterPruning.Detection.Ops;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Training;

/// <summary>
/// Weights to start a small detector from that was not a large one before: the control for every pruned one. Liu, Sun, Zhou, Huang, Darrell, <em>Rethinking the value of network pruning</em>
/// (ICLR 2019): what a pruned network reaches must be held against the same widths trained from fresh weights.
/// </summary>
public static class DetectorWeights
{
    private const int TraceSize = 64;

    /// <summary>
    /// Draws all weights of a detector anew, as its constructor would for the widths it has: a pruned detector becomes an untrained one of the same shape. Norms become the identity.
    /// </summary>
    /// <param name="model">The detector, of any widths; changed in place.</param>
    /// <param name="seed">The same seed gives the same weights.</param>
    public static void Redraw(MaskRcnnModel model, long seed)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var generator = new Generator((ulong)seed);
        using var noGrad = no_grad();
        foreach ((string name, nn.Module module) in model.named_modules())
        {
            switch (module)
            {
                case Conv2d layer:
                    RedrawConvolution(name, layer, generator);
                    break;
                case ConvTranspose2d layer:
                    WeightInit.KaimingNormalFanOut(layer.weight!, generator);
                    WeightInit.DefaultBias(layer.weight!, layer.bias!, generator);
                    break;
                case Linear layer:
                    WeightInit.Default(layer.weight!, layer.bias!, generator);
                    break;
                case BatchNorm2d norm:
                    norm.weight!.fill_(1);
                    norm.bias!.zero_();
                    norm.reset_running_stats();
                    break;
                case FrozenBatchNorm2d norm:
                    norm.weight.fill_(1);
                    norm.bias.zero_();
                    norm.running_mean.zero_();
                    norm.running_var.fill_(1);
                    break;
            }
        }
    }

    /// <summary>Cuts a detector of full width by a plan that was made for its architecture, whatever its weights are: initial ones, or a backbone's from elsewhere.</summary>
    /// <param name="model">The detector at full width; changed in place, or left as it is on an error. On the CPU.</param>
    /// <param name="plan">The plan, for instance that of a pruned detector's file.</param>
    /// <exception cref="PruningException">The plan does not fit, or the cut cannot be proved.</exception>
    public static void Slice(MaskRcnnModel model, PruningPlan plan)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(plan);
        using var scope = NewDisposeScope();
        using var generator = new Generator(0);
        Tensor image = rand([3, TraceSize, TraceSize], generator: generator);
        DependencyGraph graph = DependencyGraph.Trace(model, detector => detector.Detect([image]));
        using CutResult cut = Surgeon.Apply(graph, plan);
    }

    /// <summary>
    /// Sets the statistics of frozen norms to those of their inputs on a few images, one norm after the other in data order, so that a backbone with fresh weights passes on values of even size:
    /// frozen norms never learn them. Mishkin and Matas, <em>All you need is a good init</em> (ICLR 2016), with the norm's statistics in the place of the weights' scale. Live norms are left alone.
    /// </summary>
    /// <param name="model">The detector; changed in place.</param>
    /// <param name="images">float32 <c>[3, H, W]</c>, RGB, 0 … 1, at least one; some 16 are enough. One batch is made of all.</param>
    /// <returns>The number of norms that were set.</returns>
    /// <exception cref="ArgumentException">There are no images.</exception>
    public static int MeasureNorms(MaskRcnnModel model, IReadOnlyList<Tensor> images)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(images);
        if (images.Count == 0)
            throw new ArgumentException("There are no images to measure the norms on; give at least one.", nameof(images));
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        FrozenBatchNorm2d[] norms = [.. model.modules().OfType<FrozenBatchNorm2d>()];
        var hooks = norms.Select(norm => norm.register_forward_pre_hook((_, input) =>
        {
            norm.running_mean.copy_(input.mean([0, 2, 3]));
            norm.running_var.copy_(input.var([0L, 2L, 3L], unbiased: false));
            return input;
        })).ToArray();
        try
        {
            model.ProposeForTest(images);
        }
        finally
        {
            foreach (var hook in hooks)
                hook.remove();
        }

        return norms.Length;
    }

    private static void RedrawConvolution(string name, Conv2d layer, Generator generator)
    {
        if (name.StartsWith("rpn.", StringComparison.Ordinal))
            WeightInit.Normal(layer.weight!, 0.01, generator);
        else if (name.StartsWith("backbone.fpn.", StringComparison.Ordinal))
            WeightInit.KaimingUniformFanIn(layer.weight!, generator);
        else
            WeightInit.KaimingNormalFanOut(layer.weight!, generator);
        if (layer.bias is not { } bias)
            return;
        if (name.EndsWith("mask_fcn_logits", StringComparison.Ordinal))
            WeightInit.DefaultBias(layer.weight!, bias, generator);
        else
            WeightInit.Zero(bias);
    }
}
