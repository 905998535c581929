using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Tests.Ops;

/// <summary>The ways to pool (columns in lanes, bin rows in lanes, channels in lanes) and the layouts of maps and results.</summary>
public class RoIAlignLayoutTests
{
    public static TheoryData<int, int, int, int, int, int, double> Cases() => new()
    {
        // channels, H, W, oh, ow, sampling ratio, largest box
        { 1, 20, 30, 7, 7, 2, 100 },
        { 3, 1, 1, 7, 7, 2, 9 },
        { 8, 25, 70, 14, 14, 2, 200 },    // RoIs wider and narrower than two vectors
        { 37, 40, 40, 7, 7, 2, 120 },     // blocks of 32, of one vector and single channels
        { 64, 9, 13, 7, 7, -1, 300 },     // more samples for larger boxes
        { 33, 13, 9, 2, 3, 1, 60 },       // fewer bins than a square of the transposition
        { 40, 30, 33, 20, 17, 2, 130 },   // more bins a row than lanes
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void All_ways_give_the_same_bits_and_the_definition(int channels, int height, int width, int oh, int ow, int ratio, double largest)
    {
        using var scope = NewDisposeScope();
        var rois = RandomBoxes.RoIs(new Random(channels), 20, 2, largest, largest);
        var map = RandomBoxes.Normal(channels, 2, channels, height, width);
        var innermost = ChannelsLast(map);
        var values = rois.data<float>().ToArray();
        var sampling = new RoISampling(oh, ow, ratio, false);
        var (plan, narrow) = (Plan(true), Plan(false));

        var rows = RoIAlignFunction.Run([map], plan);
        var gathered = RoIAlignFunction.Run([map], narrow);
        var blended = RoIAlignFunction.Run([innermost], plan);
        var kept = RoIAlignFunction.Run([innermost], plan, channelsLast: true);
        Assert.Equal(channels > 1 && height * width > 1, IsInnermost(innermost));
        Assert.Equal([20, channels, oh, ow], kept.shape);
        Assert.Equal(IsInnermost(innermost), IsInnermost(kept));
        var bits = rows.data<float>().ToArray();
        Assert.Equal(bits, gathered.data<float>().ToArray());
        Assert.Equal(bits, blended.data<float>().ToArray());
        Assert.Equal(bits, kept.contiguous().data<float>().ToArray());

        var cells = map.data<float>().ToArray();
        for (var i = 0; i < bits.Length; i += 7)
        {
            var (k, c, ph, pw) = (i / (channels * oh * ow), i / (oh * ow) % channels, i / ow % oh, i % ow);
            double[] box = [.. values.AsSpan(k * 5 + 1, 4).ToArray().Select(v => (double)v)];
            var image = (int)values[k * 5];
            var expected = RoIAlignReference.Pool((y, x) => cells[((image * channels + c) * height + y) * width + x], height, width, box, oh, ow, ph, pw, 0.25, ratio, false);
            // Coordinates up to a hundred cells in float32 (an error of 1e-5 of a cell) times the slope between normal values.
            Assert.Equal(expected, bits[i], 2e-4);
        }

        RoIPlan Plan(bool allowRows) => new(values, new int[20], [RoIAlign.MapOf(map, 0.25)], sampling) { AllowRows = allowRows };
    }

    [Fact]
    public void A_pyramid_may_mix_layouts_and_any_number_of_threads_gives_the_same_bits()
    {
        using var scope = NewDisposeScope();
        var features = new[] { RandomBoxes.Normal(1, 2, 40, 32, 48), RandomBoxes.Normal(2, 2, 40, 16, 24), RandomBoxes.Normal(3, 2, 40, 8, 12), RandomBoxes.Normal(4, 2, 40, 4, 6) };
        Tensor[] mixed = [ChannelsLast(features[0]), features[1], ChannelsLast(features[2]), features[3]];
        Tensor[] boxes = [RandomBoxes.Boxes(new Random(1), 40, 190, 120), RandomBoxes.Boxes(new Random(2), 30, 180, 128)];
        (int, int)[] sizes = [(128, 192), (128, 180)];
        var pool = new MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2) { CanonicalScale = 56 };
        var expected = pool.Pool(features, boxes, sizes).data<float>().ToArray();
        var before = get_num_threads();
        try
        {
            foreach (var threads in new[] { 1, 2, 4 })
            {
                set_num_threads(threads);
                Assert.Equal(expected, pool.Pool(features, boxes, sizes).data<float>().ToArray());
                Assert.Equal(expected, pool.Pool(mixed, boxes, sizes).data<float>().ToArray());
            }
        }
        finally
        {
            set_num_threads(before);
        }
    }

    [Fact]
    public void Results_keep_channels_innermost_only_where_all_maps_have_them_so()
    {
        using var scope = NewDisposeScope();
        var (map, rois) = (RandomBoxes.Normal(1, 1, 8, 16, 16), tensor(new float[] { 1, 1, 50, 40 }).view(1, 4));
        var pool = new MultiScaleRoIAlign(["0"], 7, 2) { ChannelsLast = true };
        Assert.True(pool.Pool([map], [rois], [(64, 64)]).is_contiguous());
        Assert.True(IsInnermost(pool.Pool([ChannelsLast(map)], [rois], [(64, 64)])));
        // With gradients the result is contiguous, and the gradient that of the contiguous map.
        var (trained, plain) = (ChannelsLast(map).requires_grad_(), map.clone().requires_grad_());
        var output = pool.Pool([trained], [rois], [(64, 64)]);
        var cotangent = RandomBoxes.Normal(5, output.shape);
        var gradient = autograd.grad([output], [trained], [cotangent])[0];
        var expected = autograd.grad([pool.Pool([plain], [rois], [(64, 64)])], [plain], [cotangent])[0];
        Assert.Equal(expected.data<float>().ToArray(), gradient.contiguous().data<float>().ToArray());
    }

    // Not in both layouts at once.
    private static bool IsInnermost(Tensor map) => Inference.ChannelsLast.Is(map) && !map.is_contiguous();

    private static Tensor ChannelsLast(Tensor map) => map.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);
}
