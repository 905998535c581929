using FilterPruning.Cli.Commands;
using FilterPruning.Cli.Study;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;

namespace FilterPruning.Cli.Tests.Study;

/// <summary>The counts of the readings against sums by hand, and single kernels against plain loops.</summary>
public sealed class ReadingsTests : IDisposable
{
    private readonly MaskRcnnModel _model = MaskRcnn.ResNet18Fpn(2, new MaskRcnnOptions
    {
        MinSize = 64,
        MaxSize = 64,
        BackboneWidth = 8,
        FpnChannels = 16,
        RepresentationSize = 20,
        MaskChannels = 10,
        MaskReducedChannels = 10,
        Seed = 3,
    });

    private readonly DependencyGraph _graph;

    public ReadingsTests()
    {
        _model.eval();
        _graph = DetectorTrace.Run(_model, 64);
    }

    private long Parameters => _model.parameters().Sum(parameter => parameter.numel());

    public void Dispose() => _model.Dispose();

    // fc6 reads 16 · 7 · 7 numbers and makes 20; fc7 makes 20 of these; both predictors read 20: 2 classes and 8 box numbers.
    [Fact]
    public void Compression_counts_what_the_consumers_lose_and_the_filters_own_weights_do_not()
    {
        var count = new ReadingCounter(_model, _graph, ratio: 0.4, target: 1.25).Count(new Reading("fc", ReadingRanking.Local, 0));

        Assert.Equal((40, 16), (count.Filters, count.Removed));
        var own = (8 * ((16 * 49) + 1)) + (8 * (20 + 1));
        var read = (8 * 20) - (8 * 8) + (8 * (2 + 8));
        var before = count.Plan.Before.Parameters;
        Assert.Equal((double)before / (before - own), count.CompressionOfFiltersAlone, 1e-9);
        Assert.Equal((double)before / (before - own - read), count.Compression, 1e-9);
    }

    [Fact]
    public void The_share_that_gives_the_target_gives_it()
    {
        var share = new ReadingCounter(_model, _graph, 0.4, 1.25).Count(new Reading("backbone", ReadingRanking.Local, 0), search: true).ShareForTarget!.Value;
        var again = new ReadingCounter(_model, _graph, share, 1.25).Count(new Reading("backbone", ReadingRanking.Local, 0));
        Assert.Equal(1.25, again.Compression, 0.06);      // layers of 8 filters go in steps of an eighth
        Assert.Null(new ReadingCounter(_model, _graph, 0.4, 30).Count(new Reading("rpn", ReadingRanking.Local, 0), search: true).ShareForTarget);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    public void A_floor_is_kept_by_every_layer(double floor)
    {
        var count = new ReadingCounter(_model, _graph, 0.4, 1.25).Count(new Reading("backbone", ReadingRanking.GlobalRaw, floor));
        Assert.All(count.Emptied, layer => Assert.True(layer.After >= Math.Max(1, floor * layer.Before), layer.Layer));
        Assert.Equal(count.Emptied.Sum(layer => layer.Before - layer.After), count.Removed);
        Assert.Equal(count.Emptied.Select(layer => (double)layer.After / layer.Before).Order(), count.Emptied.Select(layer => (double)layer.After / layer.Before));
    }

    [Theory]
    [InlineData("inner/global-raw/0.1", "inner", ReadingRanking.GlobalRaw, 0.1)]
    [InlineData("fpn+heads/local/0", "fpn+heads", ReadingRanking.Local, 0)]
    public void A_reading_has_a_short_form(string text, string scope, object ranking, double floor) =>
        Assert.Equal(new Reading(scope, (ReadingRanking)ranking, floor), ReadingsCommand.Parse(text));

    [Theory]
    [InlineData("inner")]
    [InlineData("inner/raw/0")]
    [InlineData("inner/local/1")]
    public void What_is_no_reading_is_refused(string text) => Assert.Contains("global-mean", Assert.Throws<ArgumentException>(() => ReadingsCommand.Parse(text)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void The_kernels_of_the_lowest_norms_become_zero(bool mean, bool onlyLarge)
    {
        var measure = mean ? KernelMeasure.Mean : KernelMeasure.Sum;
        var before = Kernels(measure, onlyLarge);
        var kept = _model.state_dict().Where(entry => entry.Value.dim() != 4).ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());

        var count = new KernelRanking(_model, _graph, onlyLarge).Zero(0.4, measure);

        var after = Kernels(measure, onlyLarge);
        Assert.Equal(before.Count, count.Kernels);
        Assert.Equal((long)Math.Round(0.4 * before.Count, MidpointRounding.AwayFromZero), count.Zeroed);
        Assert.Equal(count.Zeroed, after.Count(kernel => kernel.Norm == 0));
        var threshold = before.Select(kernel => kernel.Norm).Order().ElementAt((int)count.Zeroed - 1);
        for (var i = 0; i < before.Count; i++)
        {
            if (after[i].Norm == 0)
                Assert.True(before[i].Norm <= threshold * (1 + 1e-5f));      // sums in another order
            else
                Assert.Equal(before[i].Norm, after[i].Norm);
        }

        Assert.Equal(Enumerable.Range(0, before.Count).Where(i => after[i].Norm == 0).Sum(i => before[i].Size), count.WeightsZeroed);
        Assert.Equal((double)Parameters / (Parameters - count.WeightsZeroed), count.SparseCompression, 1e-12);
        foreach (var (name, value) in kept)
        {
            Assert.True(_model.state_dict()[name].equal(value).all().item<bool>(), name);
            value.Dispose();
        }
    }

    [Fact]
    public void A_filter_without_kernels_and_a_channel_that_nobody_reads_are_found_and_cut()
    {
        using (var noGrad = no_grad())
        {
            var weights = _model.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter);
            weights["backbone.body.layer2.0.conv1.weight"][3].zero_();                          // made by nobody
            weights["backbone.body.layer3.0.conv2.weight"][.., 5].zero_();                      // read by nobody
            weights["roi_heads.mask_head.1.0.weight"][.., 2].zero_();
        }

        var ranking = new KernelRanking(_model, _graph);
        var cut = KernelCut.Of(_model, _graph, ranking);
        Assert.Equal((1, 2), (cut.Unmade, cut.Unread));

        // A row and a column of each pair of 3 × 3 convolutions; norms of the backbone are no parameters here, biases of the mask head are.
        var gone = (9 * (8 + 16)) + (9 * (16 + 32)) + (9 * (16 + 10)) + 1;
        Assert.Equal((double)Parameters / (Parameters - gone), cut.Compression, 2e-3);
    }

    [Fact]
    public void Weights_come_back()
    {
        var before = _model.parameters().Select(parameter => parameter.detach().clone()).ToList();
        using (new KeptWeights(_model))
            new KernelRanking(_model, _graph).Zero(0.9, KernelMeasure.Sum);
        var after = _model.parameters().ToList();
        for (var i = 0; i < before.Count; i++)
        {
            Assert.True(after[i].equal(before[i]).all().item<bool>());
            before[i].Dispose();
        }
    }

    /// <summary>Every kernel's norm and size, by plain loops over the layers that can be pruned.</summary>
    private List<(float Norm, int Size)> Kernels(KernelMeasure measure, bool onlyLarge)
    {
        var kernels = new List<(float, int)>();
        var weights = _model.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter);
        foreach (var layer in _graph.Layers.Where(layer => layer.IsPrunable && weights.ContainsKey(layer.Name + ".weight")))
        {
            var weight = weights[layer.Name + ".weight"];
            if (weight.dim() != 4 || (onlyLarge && weight.shape[2] == 1))
                continue;
            var size = (int)(weight.shape[2] * weight.shape[3]);
            foreach (var kernel in weight.detach().abs().data<float>().ToArray().Chunk(size))
                kernels.Add((measure == KernelMeasure.Mean ? kernel.Sum() / size : kernel.Sum(), size));
        }

        return kernels;
    }
}
