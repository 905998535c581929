using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Tests.ModelTests;

public class RpnTests
{
    [Fact]
    public void Some_anchors_alone_get_what_they_get_among_all()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        using var head = new RpnHead(6, 3, generator);
        foreach (var parameter in head.parameters())
            WeightInit.Normal(parameter, 0.5, generator);
        Tensor[] levels = [.. new[] { (5L, 7L), (3L, 4L), (1L, 1L) }.Select(size => rand([2, 6, size.Item1, size.Item2], generator: generator).requires_grad_())];
        var counts = levels.Select(level => level.shape[2] * level.shape[3] * 3).ToArray();

        // Every anchor of the second image backwards, and a few of the first, some of them twice.
        var anchors = cat([arange(counts.Sum() - 1, -1, -1, dtype: int64), tensor(new long[] { 4, 0, 143, 107, 4 })]);
        var images = anchors.new_zeros(anchors.shape[0]).fill_(1);
        images.narrow(0, counts.Sum(), 5).fill_(0);

        var (objectness, deltas) = head.At(levels, images, anchors);
        var (allObjectness, allDeltas) = head.call(levels);
        var expectedObjectness = cat([.. allObjectness.Select(level => level.permute(0, 2, 3, 1).reshape(2, -1))], 1).index(images, anchors);
        var expectedDeltas = cat([.. allDeltas.Select(level => level.permute(0, 2, 3, 1).reshape(2, -1, 4))], 1).index(images, anchors);
        Assert.True((objectness - expectedObjectness).abs().max().item<float>() < 1e-5f);
        Assert.True((deltas - expectedDeltas).abs().max().item<float>() < 1e-5f);

        var inputs = levels.Concat(head.parameters()).ToList();
        var cotangent = rand([anchors.shape[0], 4], generator: generator);
        var actual = Gradients(objectness, deltas);
        var expected = Gradients(expectedObjectness, expectedDeltas);
        for (var i = 0; i < inputs.Count; i++)
            Assert.True((actual[i] - expected[i]).abs().max().item<float>() < 1e-4f * (1 + expected[i].abs().max().item<float>()), $"input {i}");

        IList<Tensor> Gradients(Tensor a, Tensor b) => autograd.grad([(a * cotangent.select(1, 0)).sum() + (b * cotangent).sum()], inputs);
    }

    [Fact]
    public void Proposals_are_limited_inside_the_image_and_without_a_gradient()
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options with { RpnPostNmsTopNTest = 7 });
        var (batch, _, _, proposals) = model.ProposeForTest(Small.Images());
        for (var i = 0; i < 2; i++)
        {
            var (height, width) = batch.Sizes[i];
            Assert.Equal([7L, 4], proposals[i].shape);
            Assert.False(proposals[i].requires_grad);
            Assert.InRange(proposals[i].select(1, 2).max().item<float>(), 1, width);
            Assert.InRange(proposals[i].select(1, 3).max().item<float>(), 1, height);
            Assert.True(proposals[i].min().item<float>() >= 0);
        }
    }
}
