using FilterPruning.Detection.Models;
using FilterPruning.Detection.Ops;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Torchvision;

/// <summary>A layer with the channels it takes and gives now.</summary>
/// <param name="Name">Its path, the same here and in torchvision.</param>
/// <param name="Inputs">Input channels; features of a linear layer.</param>
/// <param name="Outputs">Output channels.</param>
internal readonly record struct LayerWidth(string Name, long Inputs, long Outputs);

/// <summary>The layers that torchvision's Mask R-CNN has, found in a model; whatever else the model holds is refused by name.</summary>
internal static class DetectorLayers
{
    /// <summary>Reads the widths of all layers, in the model's order.</summary>
    /// <param name="model">The detector.</param>
    /// <param name="name">Its name, one of <see cref="MaskRcnn.Names"/>.</param>
    /// <exception cref="PruningException">A layer is missing, of another type, or unknown to torchvision.</exception>
    public static IReadOnlyList<LayerWidth> Read(MaskRcnnModel model, string name)
    {
        var shape = MaskRcnn.ShapeOf(name) ?? throw new PruningException($"torchvision's side of '{name}' is not known. Known models: {string.Join(", ", MaskRcnn.Names)}.");
        var modules = model.named_modules().ToDictionary(entry => entry.name, entry => entry.module, StringComparer.Ordinal);
        var errors = new List<string>();
        var layers = new List<LayerWidth>();
        var keys = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (path, kind) in Expected(shape, model.Options.MaskLayers))
        {
            if (!modules.TryGetValue(path, out var module))
                errors.Add($"layer '{path}' is missing");
            else if (Width(path, kind, module, model.Options.Norm) is not { } width)
                errors.Add($"layer '{path}' is a {module.GetType().Name} where torchvision has {Wanted(kind, model.Options.Norm)}");
            else
                layers.Add(width);
            keys.UnionWith(Tensors(path, kind, model.Options.Norm));
        }

        var state = model.state_dict().Keys;
        errors.AddRange(state.Where(key => !keys.Contains(key)).Select(key => $"tensor '{key}' has no counterpart in torchvision"));
        errors.AddRange(keys.Except(state).Where(key => modules.ContainsKey(key[..key.LastIndexOf('.')])).Select(key => $"tensor '{key}' is missing"));
        errors.AddRange(modules.Where(entry => entry.Value is FrozenBatchNorm2d { IsFolded: true }).Select(entry => $"norm '{entry.Key}' is folded into the layer before it; undo the folding first"));
        if (errors.Count > 0)
        {
            throw new PruningException(
                $"The model is not torchvision's '{name}' in {errors.Count} place(s): {string.Join("; ", errors.Take(5))}. Export the detector as it was made, pruned or repaired, under its own name.");
        }

        return layers;
    }

    /// <summary>The value that all norms of the backbone add to the variance.</summary>
    /// <exception cref="PruningException">They differ, which torchvision's builder cannot say.</exception>
    public static double NormEps(MaskRcnnModel model)
    {
        var values = model.named_modules().Select(entry => (entry.name, Eps: entry.module switch { FrozenBatchNorm2d frozen => frozen.Eps, BatchNorm2d live => live.eps, _ => double.NaN }))
            .Where(entry => !double.IsNaN(entry.Eps)).ToList();
        var other = values.FirstOrDefault(entry => entry.Eps != values[0].Eps);
        return other.name is null
            ? values[0].Eps
            : throw new PruningException($"Norm '{values[0].name}' adds {values[0].Eps} to the variance and '{other.name}' {other.Eps}; torchvision has one value for all. Set them alike with {nameof(MaskRcnnModel.OverwriteFrozenNormEps)}.");
    }

    private static IEnumerable<(string Path, LayerKind Kind)> Expected(ResNetShape shape, int maskLayers)
    {
        const string body = "backbone.body.";
        yield return (body + "conv1", LayerKind.PlainConvolution);
        yield return (body + "bn1", LayerKind.Norm);
        for (var stage = 0; stage < 4; stage++)
        {
            for (var block = 0; block < shape.Blocks[stage]; block++)
            {
                var path = $"{body}layer{stage + 1}.{block}.";
                for (var i = 1; i <= (shape.Bottleneck ? 3 : 2); i++)
                {
                    yield return ($"{path}conv{i}", LayerKind.PlainConvolution);
                    yield return ($"{path}bn{i}", LayerKind.Norm);
                }

                if (block == 0 && (stage > 0 || shape.Bottleneck))
                {
                    yield return (path + "downsample.0", LayerKind.PlainConvolution);
                    yield return (path + "downsample.1", LayerKind.Norm);
                }
            }
        }

        string[] convolutions =
        [
            .. Enumerable.Range(0, 4).Select(level => $"backbone.fpn.inner_blocks.{level}.0"), .. Enumerable.Range(0, 4).Select(level => $"backbone.fpn.layer_blocks.{level}.0"),
            "rpn.head.conv.0.0", "rpn.head.cls_logits", "rpn.head.bbox_pred", .. Enumerable.Range(0, maskLayers).Select(i => $"roi_heads.mask_head.{i}.0"), "roi_heads.mask_predictor.mask_fcn_logits",
        ];
        foreach (var path in convolutions)
            yield return (path, LayerKind.Convolution);
        foreach (var path in new[] { "box_head.fc6", "box_head.fc7", "box_predictor.cls_score", "box_predictor.bbox_pred" })
            yield return ($"roi_heads.{path}", LayerKind.Linear);
        yield return ("roi_heads.mask_predictor.conv5_mask", LayerKind.Transposed);
    }

    private static LayerWidth? Width(string path, LayerKind kind, nn.Module module, BackboneNorm norm) => (kind, module) switch
    {
        (LayerKind.PlainConvolution or LayerKind.Convolution, Conv2d { groups: 1 } layer) => new(path, layer.weight!.shape[1], layer.weight.shape[0]),
        (LayerKind.Transposed, ConvTranspose2d { groups: 1 } layer) => new(path, layer.weight!.shape[0], layer.weight.shape[1]),
        (LayerKind.Linear, Linear layer) => new(path, layer.weight!.shape[1], layer.weight.shape[0]),
        (LayerKind.Norm, FrozenBatchNorm2d layer) when norm == BackboneNorm.Frozen => new(path, layer.NumFeatures, layer.NumFeatures),
        (LayerKind.Norm, BatchNorm2d layer) when norm == BackboneNorm.Live => new(path, layer.weight!.shape[0], layer.weight.shape[0]),
        _ => null,
    };

    private static IEnumerable<string> Tensors(string path, LayerKind kind, BackboneNorm norm)
    {
        string[] names = kind switch
        {
            LayerKind.PlainConvolution => ["weight"],
            LayerKind.Norm when norm == BackboneNorm.Live => ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"],
            LayerKind.Norm => ["weight", "bias", "running_mean", "running_var"],
            _ => ["weight", "bias"],
        };
        return names.Select(name => $"{path}.{name}");
    }

    private static string Wanted(LayerKind kind, BackboneNorm norm) => kind switch
    {
        LayerKind.Norm => norm == BackboneNorm.Frozen ? "a FrozenBatchNorm2d" : "a BatchNorm2d",
        LayerKind.Linear => "a Linear",
        LayerKind.Transposed => "a ConvTranspose2d of one group",
        _ => "a Conv2d of one group",
    };

    private enum LayerKind
    {
        PlainConvolution, // without bias: a norm follows
        Convolution,
        Transposed,
        Linear,
        Norm,
    }
}
