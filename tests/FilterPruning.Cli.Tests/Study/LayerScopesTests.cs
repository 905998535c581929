using FilterPruning.Cli.Study;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Tests.Study;

/// <summary>What a layer scope counts, on the architectures it must know, and that a plan touches nothing else.</summary>
public sealed class LayerScopesTests(LayerScopesTests.Graphs graphs) : IClassFixture<LayerScopesTests.Graphs>
{
    // Widths of ResNet-50: inner 64, 128, 256, 512 in 3, 4, 6, 3 blocks; streams four times as wide, made by each block's conv3 and one projection.
    [Theory]
    [InlineData("inner1", 16, 3776)]
    [InlineData("inner2", 16, 3776)]
    [InlineData("inner", 32, 7552)]
    [InlineData("residual", 20, 18944)]
    [InlineData("stem", 1, 64)]
    [InlineData("backbone", 53, 26560)]
    [InlineData("stage2", 13, 4 * (128 + 128 + 512) + 512)]
    [InlineData("fpn", 8, 8 * 256)]
    [InlineData("rpn", 1, 256)]
    [InlineData("fc", 2, 2048)]
    [InlineData("mask", 5, 5 * 256)]
    [InlineData("heads", 8, 256 + 2048 + (5 * 256))]
    [InlineData("inner+fpn", 40, 7552 + 2048)]
    [InlineData("all", 69, 26560 + 2048 + 256 + 2048 + 1280)]
    public void Counts_the_filters_of_ResNet_50(string scope, int layers, int filters)
    {
        var counted = LayerScopes.LayersOf(graphs.ResNet50, scope);
        Assert.Equal(layers, counted.Count);
        Assert.Equal(filters, counted.Sum(layer => layer.OutputChannels));
    }

    [Fact]
    public void The_inner_convolution_of_a_basic_block_is_its_first()
    {
        var inner = LayerScopes.LayersOf(graphs.ResNet18, "inner");
        Assert.Equal(8, inner.Count);
        Assert.All(inner, layer => Assert.EndsWith(".conv1", layer.Name, StringComparison.Ordinal));
        Assert.Throws<ArgumentException>(() => LayerScopes.LayersOf(graphs.ResNet18, "inner2"));
    }

    // Without a projection in its first stage, a ResNet-18's stem writes into the first residual stream.
    [Fact]
    public void What_is_tied_to_a_scope_belongs_to_it()
    {
        Assert.Contains(LayerScopes.LayersOf(graphs.ResNet18, "residual"), layer => layer.Name == "backbone.body.conv1");
        Assert.DoesNotContain(LayerScopes.LayersOf(graphs.ResNet50, "residual"), layer => layer.Name == "backbone.body.conv1");
    }

    [Theory]
    [InlineData(PruningScope.Local)]
    [InlineData(PruningScope.Global)]
    public void A_plan_loses_filters_of_the_scope_only(PruningScope ranking)
    {
        foreach (var name in LayerScopes.Names.Where(name => name is not ("all" or "inner2")))
        {
            var counted = LayerScopes.LayersOf(graphs.ResNet18, name).Select(layer => layer.Name).ToHashSet();
            var options = LayerScopes.Restrict(new PruningOptions { Ratio = 0.4, Scope = ranking }, name, graphs.ResNet18);
            var plan = PruningPlanner.CreatePlan(graphs.ResNet18, options);
            var cut = plan.Layers.Where(layer => layer.RemovedOutputs.Count > 0 && !layer.Name.Contains("bn", StringComparison.Ordinal) && !layer.Name.EndsWith("downsample.1", StringComparison.Ordinal));
            Assert.All(cut, layer => Assert.Contains(layer.Name, counted));
            // Whole groups are counted, and a group of the pyramid has a filter in each of four layers.
            var groups = graphs.ResNet18.Groups.Count(group => group.Pin is null && group.Members.Any(member => member.Axis == ChannelAxis.Output && counted.Contains(member.Layer)));
            Assert.InRange(plan.RemovedGroups, (0.4 * groups) - 1, (0.4 * groups) + counted.Count);
        }
    }

    [Fact]
    public void All_changes_nothing_and_other_patterns_stay()
    {
        var options = new PruningOptions { Ratio = 0.4, Ignore = ["rpn.head.conv"] };
        Assert.Same(options, LayerScopes.Restrict(options, "all", graphs.ResNet18));
        Assert.Equal("rpn.head.conv", LayerScopes.Restrict(options, "inner", graphs.ResNet18).Ignore[0]);
    }

    [Theory]
    [InlineData("outer")]
    [InlineData("inner+all")]
    [InlineData("inner+")]
    public void An_unknown_scope_is_refused_with_those_there_are(string scope)
    {
        var error = Assert.Throws<ArgumentException>(() => LayerScopes.Restrict(new PruningOptions(), scope, graphs.ResNet18));
        Assert.Contains("backbone, inner", error.Message, StringComparison.Ordinal);
    }

    public sealed class Graphs : IDisposable
    {
        private readonly MaskRcnnModel _resNet18 = MaskRcnn.ResNet18Fpn(2, new MaskRcnnOptions { MinSize = 64, MaxSize = 64, BackboneWidth = 16, FpnChannels = 16, RepresentationSize = 64, MaskChannels = 16, MaskReducedChannels = 16 });
        private readonly MaskRcnnModel _resNet50 = MaskRcnn.ResNet50Fpn(2, new MaskRcnnOptions { MinSize = 64, MaxSize = 64 });

        public Graphs()
        {
            _resNet18.eval();
            _resNet50.eval();
            ResNet18 = DetectorTrace.Run(_resNet18, 64);
            ResNet50 = DetectorTrace.Run(_resNet50, 64);
        }

        public DependencyGraph ResNet18 { get; }

        public DependencyGraph ResNet50 { get; }

        public void Dispose()
        {
            _resNet18.Dispose();
            _resNet50.Dispose();
        }
    }
}
