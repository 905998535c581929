using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Torchvision;

/// <summary>The text of widths.json: what Python needs to build the detector before its weights are read. Options have the names of torchvision's keyword arguments.</summary>
internal static class WidthsJson
{
    private static readonly JsonWriterOptions Indented = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Write(MaskRcnnModel model, DetectorDescription description, IReadOnlyList<LayerWidth> layers)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Indented))
        {
            json.WriteStartObject();
            json.WriteNumber("version", TorchvisionExporter.WidthsVersion);
            json.WriteString("architecture", description.Model);
            json.WriteString("backbone", description.Model.Split('_')[1]);
            json.WriteStartArray("classes");
            foreach (var name in description.ClassNames)
                json.WriteStringValue(name);
            json.WriteEndArray();
            json.WriteStartObject("norm");
            json.WriteString("kind", model.Options.Norm == BackboneNorm.Frozen ? "frozen" : "live");
            json.WriteNumber("eps", DetectorLayers.NormEps(model));
            json.WriteEndObject();
            json.WriteNumber("trainable_layers", model.Options.TrainableLayers);
            json.WriteNumber("mask_layers", model.Options.MaskLayers);
            Options(json, model.Options);
            Anchors(json, model.Options);
            json.WriteStartObject("layers");
            foreach (var layer in layers)
                List(json, layer.Name, [layer.Inputs, layer.Outputs]);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray()) + "\n";
    }

    private static void Options(Utf8JsonWriter json, MaskRcnnOptions options)
    {
        json.WriteStartObject("options");
        // torchvision draws from all sizes while it trains and takes the last one otherwise.
        if (options.TrainMinSizes.Contains(options.MinSize))
            List(json, "min_size", options.TrainMinSizes.Where(size => size != options.MinSize).Append(options.MinSize));
        else
            json.WriteNumber("min_size", options.MinSize);
        json.WriteNumber("max_size", options.MaxSize);
        List(json, "image_mean", options.ImageMean);
        List(json, "image_std", options.ImageStd);
        if (options.SizeDivisible != 32)
            json.WriteNumber("size_divisible", options.SizeDivisible);
        json.WriteNumber("rpn_pre_nms_top_n_train", options.RpnPreNmsTopNTrain);
        json.WriteNumber("rpn_pre_nms_top_n_test", options.RpnPreNmsTopNTest);
        json.WriteNumber("rpn_post_nms_top_n_train", options.RpnPostNmsTopNTrain);
        json.WriteNumber("rpn_post_nms_top_n_test", options.RpnPostNmsTopNTest);
        json.WriteNumber("rpn_nms_thresh", options.RpnNmsThresh);
        json.WriteNumber("rpn_fg_iou_thresh", options.RpnFgIouThresh);
        json.WriteNumber("rpn_bg_iou_thresh", options.RpnBgIouThresh);
        json.WriteNumber("rpn_batch_size_per_image", options.RpnBatchSizePerImage);
        json.WriteNumber("rpn_positive_fraction", options.RpnPositiveFraction);
        json.WriteNumber("rpn_score_thresh", options.RpnScoreThresh);
        json.WriteNumber("box_score_thresh", options.BoxScoreThresh);
        json.WriteNumber("box_nms_thresh", options.BoxNmsThresh);
        json.WriteNumber("box_detections_per_img", options.BoxDetectionsPerImage);
        json.WriteNumber("box_fg_iou_thresh", options.BoxFgIouThresh);
        json.WriteNumber("box_bg_iou_thresh", options.BoxBgIouThresh);
        json.WriteNumber("box_batch_size_per_image", options.BoxBatchSizePerImage);
        json.WriteNumber("box_positive_fraction", options.BoxPositiveFraction);
        List(json, "bbox_reg_weights", options.BoxRegWeights);
        json.WriteEndObject();
    }

    // Left out where they are torchvision's own.
    private static void Anchors(Utf8JsonWriter json, MaskRcnnOptions options)
    {
        var usual = new MaskRcnnOptions();
        if (options.AnchorSizes.SelectMany(level => level).SequenceEqual(usual.AnchorSizes.SelectMany(level => level)) && options.AspectRatios.SequenceEqual(usual.AspectRatios))
            return;
        json.WriteStartObject("anchors");
        json.WriteStartArray("sizes");
        foreach (var level in options.AnchorSizes)
            json.WriteRawValue($"[{string.Join(", ", level)}]");
        json.WriteEndArray();
        List(json, "aspect_ratios", options.AspectRatios);
        json.WriteEndObject();
    }

    private static void List<T>(Utf8JsonWriter json, string name, IEnumerable<T> values)
        where T : IFormattable
    {
        json.WritePropertyName(name);
        json.WriteRawValue($"[{string.Join(", ", values.Select(value => value.ToString(null, System.Globalization.CultureInfo.InvariantCulture)))}]");
    }
}
