using System.Text.Json;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Onnx.Schema;
using DataType = FilterPruning.Detection.Onnx.Schema.TensorProto.Types.DataType;

namespace FilterPruning.Detection.Onnx;

/// <summary>
/// Writes a detector (dense, pruned or repaired, of any widths) as an ONNX graph that gives the same detections: normalise, resize, backbone with folded norms, feature pyramid, RPN with top-k and
/// suppression per level, RoIAlign over the levels, box head, suppression per class, mask head, and masks pasted into the image. Standard operators alone, operator set 16 or later; height and width are free.
/// </summary>
/// <remarks>
/// <para>Input: <c>image</c>, float32 <c>[3, H, W]</c>, RGB, 0 … 1. Outputs: <c>boxes</c> float32 <c>[N, 4]</c>, corners in pixels of the image; <c>labels</c> int64 <c>[N]</c>; <c>scores</c> float32
/// <c>[N]</c>, descending; <c>masks</c> float32 <c>[N, 1, H, W]</c>, probabilities. N may be 0.</para>
/// <para>Thresholds and limits are those of <see cref="MaskRcnnModel.Options"/> and are part of the graph. The model is only read. Hooks are not written. What the exporter does not know is refused by its name.</para>
/// </remarks>
public static class OnnxExporter
{
    /// <summary>The key of the JSON array of class names in a file's metadata; label i is element i − 1.</summary>
    public const string ClassNamesKey = "class_names";

    private static readonly string[] LevelNames = ["p2", "p3", "p4", "p5", "p6"];

    /// <summary>Writes a detector, all or nothing: files are written in a folder beside their targets and moved when all are complete.</summary>
    /// <param name="model">The detector, in evaluation mode if its norms are live.</param>
    /// <param name="path">
    /// The file to write or replace. With <see cref="OnnxParts.Separate"/> the files are <c>name.backbone.onnx</c> and <c>name.heads.onnx</c> beside it; with external data each has a second file with
    /// <c>.data</c> appended.
    /// </param>
    /// <param name="options">Null for the defaults.</param>
    /// <returns>What was written.</returns>
    /// <exception cref="ArgumentException">An option is out of range; the message lists all that are.</exception>
    /// <exception cref="PruningException">The model holds something the exporter does not know (named in the message), a file would be larger than 2 GB, or a file cannot be written. What was at the paths stays.</exception>
    public static OnnxExportReport Export(MaskRcnnModel model, string path, OnnxExportOptions? options = null) => Export(model, path, options, null);

    /// <summary>Writes a detector that is checked before it takes its place, for instance by running it.</summary>
    /// <inheritdoc cref="Export(MaskRcnnModel, string, OnnxExportOptions?)"/>
    /// <param name="model">The detector, in evaluation mode if its norms are live.</param>
    /// <param name="path">The file to write or replace; see the other overload.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="check">Is called with the complete files, under their names but in a folder of their own beside <paramref name="path"/>. What it throws ends the export: nothing is written, what was at the paths stays.</param>
    public static OnnxExportReport Export(MaskRcnnModel model, string path, OnnxExportOptions? options, Action<OnnxExportReport>? check)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new OnnxExportOptions();
        options.Validate();
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var walk = new ModelWalk(model);
        walk.Root.As<MaskRcnnModel>();
        List<(string Path, GraphBuilder Graph)> parts = options.Parts == OnnxParts.Whole
            ? [(path, Whole(model, walk, options))]
            : [(PartPath(path, "backbone"), Backbone(model, walk, options)), (PartPath(path, "heads"), Heads(model, walk, options))];
        walk.ThrowOnLeftovers();
        return OnnxFile.Write([.. parts.Select(part => (part.Path, Describe(part.Graph, options), part.Graph))], options, check);
    }

    private static GraphBuilder Whole(MaskRcnnModel model, ModelWalk walk, OnnxExportOptions options)
    {
        var graph = new GraphBuilder("mask_rcnn");
        var layers = Layers(graph, options);
        var (pyramid, sizes) = Pyramid(graph, layers, model, walk);
        Detections(graph, layers, model, walk, options, pyramid, sizes);
        return graph;
    }

    private static GraphBuilder Backbone(MaskRcnnModel model, ModelWalk walk, OnnxExportOptions options)
    {
        var graph = new GraphBuilder("mask_rcnn_backbone");
        var (pyramid, _) = Pyramid(graph, Layers(graph, options), model, walk);
        for (var i = 0; i < pyramid.Length; i++)
            graph.Output(pyramid[i], LevelNames[i], DataType.Float, "A level of the pyramid.", LevelShape(walk, i));
        return graph;
    }

    private static GraphBuilder Heads(MaskRcnnModel model, ModelWalk walk, OnnxExportOptions options)
    {
        var graph = new GraphBuilder("mask_rcnn_heads");
        Value[] pyramid = [.. LevelNames.Select((name, i) => graph.Input(name, DataType.Float, "A level of the pyramid, from the backbone's file.", LevelShape(walk, i)))];
        var given = graph.Input("image_size", DataType.Int64, "Height and width of the image.", 2);
        Detections(graph, Layers(graph, options), model, walk, options, pyramid, ImageSizes.Of(given, model.Options));
        return graph;
    }

    private static LayerWriter Layers(GraphBuilder graph, OnnxExportOptions options) => new(new WeightWriter(graph, options.HalfPrecisionWeights));

    private static (Value[] Pyramid, ImageSizes Sizes) Pyramid(GraphBuilder graph, LayerWriter layers, MaskRcnnModel model, ModelWalk walk)
    {
        var image = graph.Input("image", DataType.Float, "RGB, 0 to 1.", 3, "height", "width");
        var sizes = ImageSizes.Of(image.Shape(1), model.Options);
        var writer = new BackboneWriter(graph, layers, model.Options);
        return (writer.Pyramid(writer.Batch(image, sizes), walk.Root.Child("backbone")), sizes);
    }

    private static void Detections(GraphBuilder graph, LayerWriter layers, MaskRcnnModel model, ModelWalk walk, OnnxExportOptions options, Value[] pyramid, ImageSizes sizes)
    {
        var proposals = new ProposalWriter(graph, layers, model.Options).Propose(pyramid, sizes, walk.Root.Child("rpn"));
        var (boxes, labels, scores, masks) = new HeadWriter(graph, layers, model.Options, model.NumClasses).Detect(pyramid, proposals, sizes, walk.Root.Child("roi_heads"));
        graph.Enter("transform/postprocess");
        boxes = PasteWriter.ScaleBoxes(boxes, sizes);
        var side = 2 * RoiHeads.MaskPoolSize;
        graph.Output(boxes, "boxes", DataType.Float, "Corners x1, y1, x2, y2 in pixels of the image.", "detections", 4);
        graph.Output(labels, "labels", DataType.Int64, "The class, from 1; 0 is the background and never found.", "detections");
        graph.Output(scores, "scores", DataType.Float, "0 to 1, descending.", "detections");
        if (options.PasteMasks)
            graph.Output(PasteWriter.Paste(masks, boxes, sizes.Given, side), "masks", DataType.Float, "Probabilities at the image's size, 0 outside of the box.", "detections", 1, "height", "width");
        else
            graph.Output(masks.Unsqueeze(1), "masks", DataType.Float, "Probabilities in the box.", "detections", 1, side, side);
    }

    private static ModelProto Describe(GraphBuilder graph, OnnxExportOptions options)
    {
        var proto = new ModelProto
        {
            IrVersion = IrVersion(options.Opset),
            ProducerName = "FilterPruning",
            ProducerVersion = typeof(OnnxExporter).Assembly.GetName().Version?.ToString(3) ?? "",
            Graph = graph.Graph,
            OpsetImport = { new OperatorSetIdProto { Domain = "", Version = options.Opset } },
        };
        if (options.Description is { } description)
        {
            proto.MetadataProps.Add(new StringStringEntryProto { Key = ClassNamesKey, Value = JsonSerializer.Serialize([.. description.ClassNames], OnnxJson.Default.StringArray) });
            proto.MetadataProps.Add(new StringStringEntryProto { Key = DetectorFile.DescriptionKey, Value = description.ToJson() });
        }

        return proto;
    }

    // The version of the file format that came with an operator set.
    private static long IrVersion(int opset) => opset switch
    {
        <= 18 => 8,
        <= 20 => 9,
        _ => 10,
    };

    private static object[] LevelShape(ModelWalk walk, int level)
    {
        ModuleAt[] blocks = [.. walk.Root.Child("backbone").Child("fpn").Child("layer_blocks").Children()];
        var channels = blocks[Math.Min(level, blocks.Length - 1)].Module.parameters().First().shape[0];
        return [1, channels, $"{LevelNames[level]}_height", $"{LevelNames[level]}_width"];
    }

    private static string PartPath(string path, string part) => Path.ChangeExtension(path, $".{part}{Path.GetExtension(path)}");
}
