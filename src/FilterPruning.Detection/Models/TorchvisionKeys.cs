using System.Text.RegularExpressions;

namespace FilterPruning.Detection.Models;

/// <summary>Brings the weight names of older torchvision checkpoints, and of ImageNet backbones, to those of <see cref="MaskRcnnModel"/>.</summary>
public static partial class TorchvisionKeys
{
    private const string BackbonePrefix = "backbone.body.";

    /// <summary>The present name of a checkpoint's key. Pure; a present name is returned as it is.</summary>
    /// <param name="key">For instance <c>roi_heads.mask_head.mask_fcn1.weight</c>, <c>rpn.head.conv.weight</c>, <c>backbone.fpn.inner_blocks.0.weight</c> (torchvision before 0.13) or <c>layer1.0.conv1.weight</c> (a classifier's backbone).</param>
    /// <returns>
    /// <c>roi_heads.mask_head.0.0.weight</c>, <c>rpn.head.conv.0.0.weight</c>, <c>backbone.fpn.inner_blocks.0.0.weight</c>, <c>backbone.body.layer1.0.conv1.weight</c>;
    /// null for a classifier's last layer (<c>fc.…</c>), which a detector does not have.
    /// </returns>
    public static string? Migrate(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (key.StartsWith("fc.", StringComparison.Ordinal))
            return null;
        if (ClassifierKey().IsMatch(key))
            return BackbonePrefix + key;
        key = MaskLayer().Replace(key, match => $"mask_head.{int.Parse(match.Groups["number"].ValueSpan) - 1}.0.");
        key = RpnConvolution().Replace(key, "rpn.head.conv.0.0.${tensor}");
        return PyramidBlock().Replace(key, "fpn.${block}.0.${tensor}");
    }

    [GeneratedRegex(@"^(conv1|bn1|layer[1-4])\.")]
    private static partial Regex ClassifierKey();

    [GeneratedRegex(@"\bmask_head\.mask_fcn(?<number>[1-9]\d{0,3})\.")]
    private static partial Regex MaskLayer();

    [GeneratedRegex(@"\brpn\.head\.conv\.(?<tensor>weight|bias)$")]
    private static partial Regex RpnConvolution();

    [GeneratedRegex(@"\bfpn\.(?<block>(inner|layer)_blocks\.\d+)\.(?<tensor>weight|bias)$")]
    private static partial Regex PyramidBlock();
}
