using FilterPruning.Inference;

namespace FilterPruning.Detection.Ops;

/// <summary>RoIAlign over one or several float32 CPU feature maps as one operation of the autograd graph.</summary>
/// <remarks>
/// Arguments are the feature maps followed by a <see cref="Call"/>. The gradient with respect to the features is linear in the cotangent and
/// needs none of their values, so nothing but the plan is kept for the backward pass. There is no second derivative.
/// </remarks>
internal sealed class RoIAlignFunction : autograd.SingleTensorFunction<RoIAlignFunction>
{
    private const string CallKey = "call";

    /// <inheritdoc/>
    public override string Name => "RoIAlign";

    /// <summary>Pools, as part of the autograd graph where one is being recorded.</summary>
    /// <param name="features">Float32 CPU tensors <c>[N, C, H, W]</c>, one per map of the plan.</param>
    /// <param name="plan">What to read.</param>
    /// <param name="channelsLast">
    /// Whether the result's memory is <c>[K, oh, ow, C]</c> where all features have that layout as well and nothing is recorded; else it is contiguous.
    /// </param>
    /// <returns><c>[K, C, oh, ow]</c>.</returns>
    public static Tensor Run(IReadOnlyList<Tensor> features, RoIPlan plan, bool channelsLast = false)
    {
        using var scope = NewDisposeScope();
        var recorded = is_grad_enabled() && features.Any(feature => feature.requires_grad);
        var output = recorded ? apply([.. features, new Call(plan)]) : Pool(features, plan, channelsLast);
        return output.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = (Call)vars[^1];
        ctx.save_data(CallKey, call);
        ctx.set_materialize_grads(false);
        return Pool([.. vars[..^1].Cast<Tensor>()], call.Plan);
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var call = (Call)ctx.get_data(CallKey);
        var plan = call.Plan;
        var result = new List<Tensor>(new Tensor[plan.Maps.Count + 1]);
        if (grad_output is null || grad_output.IsInvalid)
            return result;

        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var cotangent = grad_output.contiguous();
        for (var level = 0; level < plan.Maps.Count; level++)
        {
            var map = plan.Maps[level];
            result[level] = zeros([map.Images, map.Channels, map.Height, map.Width], ScalarType.Float32).MoveToOuterDisposeScope();
        }

        var gradients = result[..^1];
        RoIAlignKernel.Backward(plan, TensorMemory.Address(cotangent), [.. gradients.Select(TensorMemory.Address)]);
        call.Returned = gradients;
        return result;
    }

    private static Tensor Pool(IReadOnlyList<Tensor> features, RoIPlan plan, bool channelsLast = false)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var sources = new RoISource[features.Count];
        for (var level = 0; level < sources.Length; level++)
        {
            // [N, H, W, C] where channels lie innermost: a view of the same memory. One channel or one place lies in both layouts and counts as contiguous.
            var innermost = !features[level].is_contiguous() && ChannelsLast.Is(features[level]);
            sources[level] = new RoISource(TensorMemory.Address(innermost ? features[level].permute(0, 2, 3, 1) : features[level].contiguous()), innermost);
        }

        var (sampling, channels) = (plan.Sampling, plan.Maps[0].Channels);
        channelsLast &= sources.All(source => source.ChannelsLast);
        var output = empty(channelsLast ? [plan.Count, sampling.OutputHeight, sampling.OutputWidth, channels] : [plan.Count, channels, sampling.OutputHeight, sampling.OutputWidth], ScalarType.Float32);
        RoIAlignKernel.Forward(plan, sources, TensorMemory.Address(output), channelsLast);
        return (channelsLast ? output.permute(0, 3, 1, 2) : output).MoveToOuterDisposeScope();
    }

    /// <summary>One call: its plan, and the gradients last handed back.</summary>
    /// <remarks>
    /// The native side reads a returned gradient's handle after the managed callback has ended, when nothing refers to the wrapper any more.
    /// Holding on to it here keeps the finalizer away.
    /// </remarks>
    internal sealed class Call(RoIPlan plan)
    {
        public RoIPlan Plan { get; } = plan;

        public List<Tensor>? Returned { get; set; }
    }
}
