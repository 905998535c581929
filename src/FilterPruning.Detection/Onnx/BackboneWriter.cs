using FilterPruning.Detection.Models;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Onnx;

/// <summary>From the image to the pyramid: normalise, resize, pad; <see cref="ResNet"/>; <see cref="FeaturePyramidNetwork"/>.</summary>
internal sealed class BackboneWriter(GraphBuilder graph, LayerWriter layers, MaskRcnnOptions options)
{
    private static readonly string[] Stages = ["layer1", "layer2", "layer3", "layer4"];

    /// <summary>The network's input: float32 <c>[1, 3, h, w]</c>.</summary>
    public Value Batch(Value image, ImageSizes sizes)
    {
        graph.Enter("transform");
        var mean = graph.Floats([.. options.ImageMean.Select(v => (float)v)], 3, 1, 1);
        var std = graph.Floats([.. options.ImageStd.Select(v => (float)v)], 3, 1, 1);
        var normalised = (image - mean) / std;
        var resized = Resize(Resize(normalised, sizes, axis: 2), sizes, axis: 1);
        return graph.Node("Pad", [resized.Unsqueeze(0), graph.Concat(0, graph.Vector(0, 0, 0, 0, 0, 0), sizes.Padded - sizes.Resized)]);
    }

    // Bilinear along one axis of [3, H, W], as ResizeAxis has it. ONNX Runtime's Resize rounds the places otherwise: values differ by 1e-4, and boxes of equal quality change places.
    private Value Resize(Value image, ImageSizes sizes, int axis)
    {
        var number = graph.Scalar(axis - 1L);
        var (from, to) = (sizes.Given.Gather(number), sizes.Resized.Gather(number));
        var pixel = graph.Node("Range", [graph.Scalar(0L), to, graph.Scalar(1L)]).ToFloat();
        var place = (from.ToFloat() / to.ToFloat() * (pixel + 0.5f) - 0.5f).Max(graph.Scalar(0f));
        var last = from - 1L;
        var low = place.ToInt().Min(last);
        var fraction = (place - low.ToFloat()).Max(graph.Scalar(0f)).Min(graph.Scalar(1f)); // [pixels]
        if (axis == 1)
            fraction = fraction.Unsqueeze(1);
        return image.Gather(low, axis) * (graph.Scalar(1f) - fraction) + image.Gather((low + 1L).Min(last), axis) * fraction;
    }

    /// <summary>The pyramid's five levels, finest first, <c>[1, C, h, w]</c>.</summary>
    public Value[] Pyramid(Value batch, ModuleAt backbone)
    {
        backbone.As<BackboneWithFpn>();
        return Pyramid(Body(batch, backbone.Child("body")), backbone.Child("fpn"));
    }

    private Value[] Body(Value x, ModuleAt body)
    {
        body.As<ResNet>();
        x = layers.Chain(x, body.Child("conv1"), body.Child("bn1")).Relu();
        x = layers.Chain(x, body.Child("maxpool"));
        var stages = new List<Value>();
        foreach (var name in Stages)
        {
            var stage = body.Child(name);
            stage.As<Sequential>();
            foreach (var block in stage.Children())
                x = Block(x, block);
            stages.Add(x);
        }

        return [.. stages];
    }

    private Value Block(Value input, ModuleAt block)
    {
        string[] numbers;
        switch (block.Module)
        {
            case Bottleneck:
                block.As<Bottleneck>();
                numbers = ["1", "2", "3"];
                break;
            case BasicBlock:
                block.As<BasicBlock>();
                numbers = ["1", "2"];
                break;
            default:
                throw block.Unknown($"{nameof(Bottleneck)} and {nameof(BasicBlock)}");
        }

        var x = input;
        foreach (var number in numbers)
        {
            x = layers.Chain(x, block.Child($"conv{number}"), block.Child($"bn{number}"));
            if (number != numbers[^1])
                x = x.Relu();
        }

        var shortcut = block.ChildOrNull("downsample") is { } downsample ? layers.Chain(input, downsample) : input;
        graph.Enter(block.Path);
        return (x + shortcut).Relu();
    }

    private Value[] Pyramid(Value[] stages, ModuleAt fpn)
    {
        fpn.As<FeaturePyramidNetwork>();
        var inner = Blocks(fpn.Child("inner_blocks"), stages.Length);
        var outer = Blocks(fpn.Child("layer_blocks"), stages.Length);
        var last = stages.Length - 1;
        var levels = new Value[stages.Length + 1];
        var x = layers.Chain(stages[last], inner[last]);
        levels[last] = layers.Chain(x, outer[last]);
        for (var i = last - 1; i >= 0; i--)
        {
            graph.Enter(fpn.Path);
            // The input's sides are multiples of 32, so every stage is exactly twice as large as the next.
            var enlarged = graph.Node(
                "Resize", [x, graph.None, graph.Vector(1f, 1f, 2f, 2f)],
                ("mode", "nearest"), ("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", "floor"));
            x = layers.Chain(stages[i], inner[i]) + enlarged;
            levels[i] = layers.Chain(x, outer[i]);
        }

        graph.Enter(fpn.Path);
        levels[^1] = graph.Node("MaxPool", [levels[last]], ("kernel_shape", new long[] { 1, 1 }), ("strides", new long[] { 2, 2 }));
        return levels;
    }

    private static ModuleAt[] Blocks(ModuleAt list, int count)
    {
        list.As<ModuleList<Sequential>>();
        ModuleAt[] blocks = [.. list.Children()];
        return blocks.Length == count ? blocks : throw list.Unknown($"a list of {count} blocks");
    }
}
