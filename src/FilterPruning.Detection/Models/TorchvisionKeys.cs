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

    /// <summary>What a checkpoint's keys look like: a name that <see cref="MaskRcnn.Create"/> knows, a phrase for a detector that it does not, or null.</summary>
    internal static string? Recognise(IEnumerable<string> keys)
    {
        var parts = keys.Select(key => BlockOfStage3().Match(key)).Where(match => match.Success).ToList();
        var blocks = parts.Select(match => match.Groups["block"].Value).Distinct().Count();
        var bottleneck = parts.Any(match => match.Groups["layer"].Value == "conv3");
        if (keys.Any(key => NormedPyramid().IsMatch(key)))
            return "a 'v2' detector of torchvision, with norms in the pyramid and heads, which this library does not build";
        if (blocks > 0 && keys.Any(key => key.Contains("roi_heads.", StringComparison.Ordinal)) && !keys.Any(key => key.Contains("roi_heads.mask_", StringComparison.Ordinal)))
            return "a detector without masks, which this library does not build";
        return (blocks, bottleneck) switch
        {
            (2, false) => "maskrcnn_resnet18_fpn",
            (6, false) => "maskrcnn_resnet34_fpn",
            (6, true) => "maskrcnn_resnet50_fpn",
            (23, true) => "maskrcnn_resnet101_fpn",
            _ => null,
        };
    }

    [GeneratedRegex(@"\bbody\.layer3\.(?<block>\d+)\.(?<layer>conv\d)\.weight$")]
    private static partial Regex BlockOfStage3();

    [GeneratedRegex(@"\bfpn\.inner_blocks\.\d+\.1\.")]
    private static partial Regex NormedPyramid();

    [GeneratedRegex(@"^(conv1|bn1|layer[1-4])\.")]
    private static partial Regex ClassifierKey();

    [GeneratedRegex(@"\bmask_head\.mask_fcn(?<number>[1-9]\d{0,3})\.")]
    private static partial Regex MaskLayer();

    [GeneratedRegex(@"\brpn\.head\.conv\.(?<tensor>weight|bias)$")]
    private static partial Regex RpnConvolution();

    [GeneratedRegex(@"\bfpn\.(?<block>(inner|layer)_blocks\.\d+)\.(?<tensor>weight|bias)$")]
    private static partial Regex PyramidBlock();
}
