using System.Text.RegularExpressions;
using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Study;

/// <summary>Named parts of a ResNet-FPN detector whose filters a ratio may count: <c>all</c>, <c>backbone</c>, <c>inner</c> and so on, joined by <c>+</c>.</summary>
/// <remarks>
/// A part is a set of layers, told by their module paths: the ResNet's names of torchvision, wherever in the model they stand. Channels that are tied to a
/// part's channels belong to it, the stem of a ResNet-18 to its first residual stream for instance.
/// </remarks>
internal static partial class LayerScopes
{
    /// <summary>The name of everything that can be pruned.</summary>
    public const string All = "all";

    private static readonly (string Name, string About, Func<string, IReadOnlySet<string>, bool> Has)[] Parts =
    [
        ("backbone", "the ResNet: stem, stages and projections", (layer, _) => IsStem(layer) || StageLayer().IsMatch(layer)),
        ("inner", "the blocks' inner convolutions: conv1 and conv2 of a bottleneck, conv1 of a basic block", (layer, all) => InnerConvolution(layer, all) > 0),
        ("inner1", "conv1 of every block", (layer, all) => InnerConvolution(layer, all) == 1),
        ("inner2", "conv2 of every bottleneck", (layer, all) => InnerConvolution(layer, all) == 2),
        ("residual", "the residual streams: the blocks' last convolutions and the projections beside them", IsResidual),
        ("stem", "the ResNet's first convolution", (layer, _) => IsStem(layer)),
        ("stage1", "the ResNet's layer1", (layer, _) => Stage(layer) == 1),
        ("stage2", "the ResNet's layer2", (layer, _) => Stage(layer) == 2),
        ("stage3", "the ResNet's layer3", (layer, _) => Stage(layer) == 3),
        ("stage4", "the ResNet's layer4", (layer, _) => Stage(layer) == 4),
        ("fpn", "the feature pyramid", (layer, _) => Within(layer, "fpn")),
        ("rpn", "the region proposal network", (layer, _) => Within(layer, "rpn")),
        ("fc", "the linear layers of the box head", (layer, _) => Within(layer, "box_head")),
        ("mask", "the mask head and its transposed convolution", (layer, _) => Within(layer, "mask_head") || Within(layer, "mask_predictor")),
        ("heads", "everything behind the pyramid: proposals, boxes, masks", (layer, _) => Within(layer, "rpn") || Within(layer, "roi_heads")),
    ];

    /// <summary>The names, <see cref="All"/> first. Any but that may be joined: <c>inner+fpn</c>.</summary>
    public static IReadOnlyList<string> Names { get; } = [All, .. Parts.Select(part => part.Name)];

    /// <summary>What a scope stands for, in words.</summary>
    /// <exception cref="ArgumentException">There is no such scope.</exception>
    public static string Describe(string scope) =>
        scope == All ? "every filter that can be pruned" : string.Join("; ", Split(scope).Select(part => part.About));

    /// <summary>
    /// Limits pruning to a scope: keeps the output channels of every other layer by <see cref="PruningOptions.Ignore"/>, so that a ratio counts within the
    /// scope only. Patterns that are there already stay.
    /// </summary>
    /// <param name="options">What to remove.</param>
    /// <param name="scope">One of <see cref="Names"/>, or several joined by <c>+</c>.</param>
    /// <param name="graph">The model's graph.</param>
    /// <exception cref="ArgumentException">There is no such scope, or the model has no layer of it that can be pruned.</exception>
    public static PruningOptions Restrict(PruningOptions options, string scope, DependencyGraph graph)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(graph);
        if (scope == All)
            return options;
        var inside = LayersOf(graph, scope).Select(layer => layer.Name).ToHashSet(StringComparer.Ordinal);
        var outside = FilterLayers(graph).Where(layer => !inside.Contains(layer.Name)).Select(layer => layer.Name + ":outputs");
        return options with { Ignore = [.. options.Ignore, .. outside] };
    }

    /// <summary>The layers whose filters a scope counts, in data order: those that can be pruned and are in it, or are tied to one that is.</summary>
    /// <exception cref="ArgumentException">There is no such scope, or the model has no layer of it that can be pruned.</exception>
    public static IReadOnlyList<TracedLayer> LayersOf(DependencyGraph graph, string scope)
    {
        ArgumentNullException.ThrowIfNull(graph);
        var layers = FilterLayers(graph);
        if (scope == All)
            return layers;
        var parts = Split(scope);
        var names = graph.Layers.Select(layer => layer.Name).ToHashSet(StringComparer.Ordinal);
        var chosen = layers.Where(layer => parts.Exists(part => part.Has(layer.Name, names))).ToList();
        if (chosen.Count == 0)
        {
            var possible = Parts.Where(part => layers.Exists(layer => part.Has(layer.Name, names))).Select(part => part.Name);
            throw new ArgumentException($"The model has no layer of the scope '{scope}' ({Describe(scope)}) that can be pruned; it has {string.Join(", ", possible.Prepend(All))}. Choose one of them.", nameof(scope));
        }

        var inside = chosen.Select(layer => layer.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var group in graph.Groups.Where(group => group.Members.Any(member => Makes(member) && inside.Contains(member.Layer))).ToList())
            inside.UnionWith(group.Members.Where(Makes).Select(member => member.Layer));
        return [.. layers.Where(layer => inside.Contains(layer.Name))];

        static bool Makes(ChannelMember member) => member.Axis == ChannelAxis.Output;
    }

    /// <summary>Whether the model has layers of a scope that can be pruned.</summary>
    /// <exception cref="ArgumentException">There is no such scope.</exception>
    public static bool Has(DependencyGraph graph, string scope)
    {
        var names = graph.Layers.Select(layer => layer.Name).ToHashSet(StringComparer.Ordinal);
        return scope == All || Split(scope).TrueForAll(part => FilterLayers(graph).Exists(layer => part.Has(layer.Name, names)));
    }

    /// <summary>Whether a layer makes channels of its own, as convolutions and linear layers do and norms do not.</summary>
    public static bool HasFilters(TracedLayer layer) => layer.Mapping != ChannelMapping.ChannelWise;

    private static List<TracedLayer> FilterLayers(DependencyGraph graph) => [.. graph.Layers.Where(layer => layer.IsPrunable && HasFilters(layer))];

    private static List<(string Name, string About, Func<string, IReadOnlySet<string>, bool> Has)> Split(string scope)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(scope);
        return [.. scope.Split('+').Select(name => Parts.FirstOrDefault(part => part.Name == name) is { Name: not null } part
            ? part
            : throw new ArgumentException($"There is no layer scope '{name}'; allowed are {string.Join(", ", Names)}, or several joined by '+' (without '{All}').", nameof(scope)))];
    }

    private static bool Within(string layer, string module) => Array.IndexOf(layer.Split('.'), module) >= 0;

    // The only conv1 of the network itself: not a block's, and not the head's "conv".
    private static bool IsStem(string layer) => layer == "conv1" || layer.EndsWith("body.conv1", StringComparison.Ordinal);

    private static int Stage(string layer) => StageLayer().Match(layer) is { Success: true } match ? match.Groups["stage"].ValueSpan[0] - '0' : 0;

    /// <summary>The number of a block's convolution that another one of the same block follows; 0 for every other layer.</summary>
    private static int InnerConvolution(string layer, IReadOnlySet<string> all)
    {
        if (BlockConvolution().Match(layer) is not { Success: true } match)
            return 0;
        var number = match.Groups["number"].ValueSpan[0] - '0';
        return all.Contains($"{match.Groups["block"].Value}.conv{number + 1}") ? number : 0;
    }

    private static bool IsResidual(string layer, IReadOnlySet<string> all) => Projection().IsMatch(layer) || (BlockConvolution().IsMatch(layer) && InnerConvolution(layer, all) == 0);

    [GeneratedRegex(@"(^|\.)layer(?<stage>[1-4])\.\d+\.")]
    private static partial Regex StageLayer();

    [GeneratedRegex(@"^(?<block>(.*\.)?layer[1-4]\.\d+)\.conv(?<number>[1-9])$")]
    private static partial Regex BlockConvolution();

    [GeneratedRegex(@"(^|\.)layer[1-4]\.\d+\.downsample\.0$")]
    private static partial Regex Projection();
}
