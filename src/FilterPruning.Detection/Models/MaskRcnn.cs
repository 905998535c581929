namespace FilterPruning.Detection.Models;

/// <summary>Makes Mask R-CNN models with initial weights. He et al. 2017; architecture and weight names of torchvision 0.14's <c>maskrcnn_resnet50_fpn</c>.</summary>
public static class MaskRcnn
{
    private static readonly Dictionary<string, ResNetShape> Shapes = new(StringComparer.Ordinal)
    {
        ["maskrcnn_resnet18_fpn"] = ResNetShape.ResNet18,
        ["maskrcnn_resnet34_fpn"] = ResNetShape.ResNet34,
        ["maskrcnn_resnet50_fpn"] = ResNetShape.ResNet50,
        ["maskrcnn_resnet101_fpn"] = ResNetShape.ResNet101,
    };

    /// <summary>The names <see cref="Create"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Shapes.Keys];

    /// <summary>Mask R-CNN on a ResNet-18 with a feature pyramid.</summary>
    /// <param name="numClasses">The number of classes, the background included; at least 2.</param>
    /// <param name="options">Null for torchvision's defaults.</param>
    /// <exception cref="ArgumentException">An option is out of range; the message lists all that are.</exception>
    public static MaskRcnnModel ResNet18Fpn(int numClasses, MaskRcnnOptions? options = null) => new(ResNetShape.ResNet18, numClasses, options ?? new());

    /// <summary>Mask R-CNN on a ResNet-34 with a feature pyramid.</summary>
    /// <inheritdoc cref="ResNet18Fpn"/>
    public static MaskRcnnModel ResNet34Fpn(int numClasses, MaskRcnnOptions? options = null) => new(ResNetShape.ResNet34, numClasses, options ?? new());

    /// <summary>Mask R-CNN on a ResNet-50 with a feature pyramid: torchvision's <c>maskrcnn_resnet50_fpn</c>.</summary>
    /// <inheritdoc cref="ResNet18Fpn"/>
    public static MaskRcnnModel ResNet50Fpn(int numClasses, MaskRcnnOptions? options = null) => new(ResNetShape.ResNet50, numClasses, options ?? new());

    /// <summary>Mask R-CNN on a ResNet-101 with a feature pyramid.</summary>
    /// <inheritdoc cref="ResNet18Fpn"/>
    public static MaskRcnnModel ResNet101Fpn(int numClasses, MaskRcnnOptions? options = null) => new(ResNetShape.ResNet101, numClasses, options ?? new());

    /// <summary>Makes a model by its name, one of <see cref="Names"/>.</summary>
    /// <param name="name">For instance <c>maskrcnn_resnet50_fpn</c>.</param>
    /// <param name="numClasses">The number of classes, the background included; at least 2.</param>
    /// <param name="options">Null for torchvision's defaults.</param>
    /// <exception cref="ArgumentException">The name is unknown (the message gives the nearest one), or an option is out of range.</exception>
    public static MaskRcnnModel Create(string name, int numClasses, MaskRcnnOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (Shapes.TryGetValue(name, out var shape))
            return new(shape, numClasses, options ?? new());
        var nearest = Names.MinBy(known => EditDistance(name, known));
        throw new ArgumentException($"There is no model '{name}'. Did you mean '{nearest}'? Known models: {string.Join(", ", Names)}.", nameof(name));
    }

    /// <summary>The blocks of the backbone of a model that <see cref="Create"/> knows, otherwise null.</summary>
    internal static ResNetShape? ShapeOf(string name) => Shapes.GetValueOrDefault(name);

    // Levenshtein's distance, one row at a time.
    private static int EditDistance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 0; i < a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i + 1;
            for (var j = 0; j < b.Length; j++)
                (diagonal, row[j + 1]) = (row[j + 1], Math.Min(Math.Min(row[j], row[j + 1]) + 1, diagonal + (char.ToLowerInvariant(a[i]) == b[j] ? 0 : 1)));
        }

        return row[b.Length];
    }
}
