using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Tests.ModelTests;

public class MaskRcnnTests
{
    [Fact]
    public void All_violations_are_listed_in_one_exception()
    {
        var error = Assert.Throws<ArgumentException>(() => MaskRcnn.ResNet18Fpn(1, new() { MinSize = 0, BoxScoreThresh = 1.5, TrainableLayers = 6, AnchorSizes = [[32]], RpnBgIouThresh = 0.8 }));
        foreach (var part in new[] { "numClasses is 1", "MinSize is 0", "BoxScoreThresh is 1.5", "TrainableLayers is 6", "AnchorSizes", "RpnBgIouThresh 0.8", "6 violation(s)" })
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_name_is_answered_with_the_nearest_one()
    {
        var error = Assert.Throws<ArgumentException>(() => MaskRcnn.Create("maskrcnn_resnet5O_fpn", 2));
        Assert.Contains("Did you mean 'maskrcnn_resnet50_fpn'?", error.Message, StringComparison.Ordinal);
        Assert.Contains("maskrcnn_resnet101_fpn", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("maskrcnn_resnet18_fpn", 17 + 3)]
    [InlineData("maskrcnn_resnet34_fpn", 33 + 3)]
    [InlineData("maskrcnn_resnet50_fpn", 49 + 4)]
    [InlineData("maskrcnn_resnet101_fpn", 100 + 4)]
    public void A_name_makes_the_backbone_it_says(string name, int convolutions)
    {
        // ResNet-18 has 17 convolutions and the classifier's linear layer, and 3 projections that its name does not count.
        using var model = MaskRcnn.Create(name, 3, Small.Options);
        Assert.Equal(convolutions, model.state_dict().Count(entry => entry.Key.StartsWith("backbone.body", StringComparison.Ordinal) && entry.Value.dim() == 4));
    }

    [Fact]
    public void Wrong_images_and_targets_are_named()
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        Tensor[] images = Small.Images();
        Target[] targets = Small.Targets();

        Assert.Contains("Image 1", Assert.Throws<ArgumentException>(() => model.Detect([images[0], images[1].unsqueeze(0)])).Message, StringComparison.Ordinal);
        Assert.Contains("Image 0", Assert.Throws<ArgumentException>(() => model.Detect([images[0].to(float64)])).Message, StringComparison.Ordinal);
        Assert.Contains("2 images and 1 targets", Assert.Throws<ArgumentException>(() => model.Losses(images, targets[..1])).Message, StringComparison.Ordinal);
        Assert.Contains("a label is 3", Error(targets[1] with { Labels = tensor(new long[] { 3 }) }), StringComparison.Ordinal);
        Assert.Contains("box 0", Error(targets[1] with { Boxes = tensor(new float[] { 5, 5, 5, 9 }).view(1, 4) }), StringComparison.Ordinal);
        Assert.Contains("box 0", Error(targets[1] with { Boxes = tensor(new float[] { 5, 5, float.NaN, 9 }).view(1, 4) }), StringComparison.Ordinal);
        Assert.Contains("masks", Error(targets[1] with { Masks = zeros(1, 3, 3, dtype: uint8) }), StringComparison.Ordinal);

        string Error(Target wrong) => Assert.Throws<ArgumentException>(() => model.Losses(images, [targets[0], wrong])).Message;
    }

    [Fact]
    public void No_images_give_no_detections()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        Assert.Empty(model.Detect([]));
    }

    [Fact]
    public void Detections_are_well_formed_and_do_not_depend_on_the_training_flag()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        var images = Small.Images();
        model.train();
        var found = model.Detect(images);
        model.eval();
        var again = model.Detect(images);

        for (var i = 0; i < images.Length; i++)
        {
            var (height, width) = (images[i].shape[1], images[i].shape[2]);
            var detection = found[i];
            Assert.InRange(detection.Count, 1, Small.Options.BoxDetectionsPerImage);
            Assert.Equal([detection.Count, 1, height, width], detection.Masks.shape);
            var scores = detection.Scores.data<float>().ToArray();
            Assert.Equal(scores.OrderDescending(), scores);
            Assert.All(detection.Labels.data<long>().ToArray(), label => Assert.InRange(label, 1, 2));
            var boxes = detection.Boxes.data<float>().ToArray();
            for (var b = 0; b < boxes.Length; b += 4)
            {
                Assert.InRange(boxes[b], 0, boxes[b + 2]);
                Assert.InRange(boxes[b + 2], boxes[b], width);
                Assert.InRange(boxes[b + 3], boxes[b + 1], height);
            }

            Assert.True(detection.Boxes.equal(again[i].Boxes).all().item<bool>());
            Assert.True(detection.Masks.equal(again[i].Masks).all().item<bool>());
        }
    }

    [Fact]
    public void An_image_gets_the_same_detections_alone_and_beside_a_smaller_one()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        // Both are 64 × 85 after resizing, so neither is padded more in the batch than alone.
        var images = new[] { Small.Images()[0], ParityFormula.Image(3, 60, 80) };
        var together = model.Detect(images);
        for (var i = 0; i < 2; i++)
        {
            var alone = model.Detect([images[i]])[0];
            Assert.True((alone.Boxes - together[i].Boxes).abs().max().item<float>() < 1e-2f);
            Assert.True((alone.Scores - together[i].Scores).abs().max().item<float>() < 1e-4f);
        }
    }

    [Fact]
    public void Nothing_above_the_threshold_is_no_detections()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options with { BoxScoreThresh = 1 });
        foreach (var detection in model.Detect(Small.Images()))
        {
            Assert.Equal(0, detection.Count);
            Assert.Equal([0L, 4], detection.Boxes.shape);
            Assert.Equal(0, detection.Masks.shape[0]);
        }
    }

    [Fact]
    public void No_proposals_are_no_detections_and_finite_losses()
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options with { RpnScoreThresh = 1 });
        Assert.All(model.Detect(Small.Images()), detection => Assert.Equal(0, detection.Count));
        CheckFinite(model.Losses(Small.Images(), Small.Targets()));
    }

    [Fact]
    public void Images_without_objects_have_losses_and_gradients()
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        var images = Small.Images();
        var none = new Target(zeros(0, 4), zeros(0, dtype: int64), zeros(0, 70, 50, dtype: uint8));
        CheckFinite(model.Losses(images, [Small.Targets()[0], none]));

        var losses = model.Losses([images[1]], [none]);
        CheckFinite(losses);
        Assert.Equal(0, losses.Mask.item<float>());
        Assert.Equal(0, losses.BoxRegression.item<float>());
        losses.Total().backward();
        Assert.All(model.parameters().Where(p => p.grad is not null), p => Assert.True(p.grad!.isfinite().all().item<bool>()));
    }

    [Fact]
    public void Wild_weights_never_make_an_undefined_box()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        foreach (var (name, parameter) in model.named_parameters())
        {
            if (name.Contains("bbox_pred", StringComparison.Ordinal))
                parameter.mul_(1e6);
        }

        foreach (var detection in model.Detect(Small.Images()))
        {
            Assert.True(detection.Boxes.isfinite().all().item<bool>());
            Assert.True(detection.Masks.isfinite().all().item<bool>());
        }
    }

    [Fact]
    public void The_same_seed_draws_the_same_samples()
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        using var first = new Generator(7);
        using var second = new Generator(7);
        using var other = new Generator(8);
        Assert.Equal(Values(first), Values(second));
        Assert.NotEqual(Values(first), Values(other));

        float[] Values(Generator generator)
        {
            using var losses = model.Losses(Small.Images(), Small.Targets(), generator);
            return [losses.Classifier.item<float>(), losses.BoxRegression.item<float>(), losses.Mask.item<float>(), losses.Objectness.item<float>(), losses.RpnBoxRegression.item<float>()];
        }
    }

    [Fact]
    public void Training_sizes_are_drawn_from_the_list()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options with { TrainMinSizes = [32, 64, 96] });
        using var generator = new Generator(1);
        var seen = Enumerable.Range(0, 6).Select(_ => model.Losses(Small.Images(), Small.Targets(), generator).Objectness.item<float>()).Distinct().Count();
        Assert.True(seen > 1);
    }

    [Theory]
    [InlineData(0, "fpn")]
    [InlineData(3, "layer2 layer3 layer4 fpn")]
    [InlineData(5, "conv1 layer1 layer2 layer3 layer4 fpn")]
    public void Only_trainable_layers_get_gradients(int trainable, string stages)
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options with { TrainableLayers = trainable });
        model.Losses(Small.Images(), Small.Targets()).Total().backward();
        var trained = model.named_parameters().Where(p => p.parameter.grad is not null && p.name.StartsWith("backbone", StringComparison.Ordinal))
            .Select(p => p.name.Replace("body.", "", StringComparison.Ordinal).Split('.')[1]).Distinct().Order();
        Assert.Equal(stages.Split(' ').Order(), trained);
    }

    [Fact]
    public void Detect_follows_the_ambient_gradient_mode()
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        Assert.True(model.Detect(Small.Images())[0].Scores.requires_grad);
        using var guard = no_grad();
        Assert.False(model.Detect(Small.Images())[0].Scores.requires_grad);
    }

    [Fact]
    public void The_norms_eps_can_be_overwritten()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options with { NormEps = 0.5 });
        using var same = MaskRcnn.ResNet18Fpn(3, Small.Options);
        model.OverwriteFrozenNormEps(1e-5);
        Assert.True(model.Detect(Small.Images())[0].Boxes.equal(same.Detect(Small.Images())[0].Boxes).all().item<bool>());
        Assert.Throws<ArgumentOutOfRangeException>(() => model.OverwriteFrozenNormEps(-1));
    }

    [Theory]
    [InlineData(BackboneNorm.Frozen)]
    [InlineData(BackboneNorm.Live)]
    public void Repeated_use_leaves_no_tensors_behind(BackboneNorm norm)
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options with { Norm = norm });
        var images = Small.Images();
        var targets = Small.Targets();
        var calibration = new CalibrationForward();
        Use();
        // Whatever is neither returned nor disposed ends up in the surrounding scope.
        using (var scope = NewDisposeScope())
        {
            Use();
            Assert.Equal(0, scope.DisposablesCount);
        }

        var before = Live();
        Use();
        Assert.Equal(before, Live());

        void Use()
        {
            foreach (var detection in model.Detect(images))
                detection.Dispose();
            // The managed gradients of RoIAlign stay with the scope around the backward pass.
            using (NewDisposeScope())
                model.Losses(images, targets).Total().backward();
            model.Losses(images, targets).Dispose();
            calibration.Run(model, images[0]).Dispose();
        }
    }

    // Tensors that are not garbage of other tests.
    private static long Live()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Tensor.TotalCount;
    }

    private static void CheckFinite(LossDict losses)
    {
        foreach (var loss in new[] { losses.Classifier, losses.BoxRegression, losses.Mask, losses.Objectness, losses.RpnBoxRegression })
            Assert.True(float.IsFinite(loss.item<float>()));
    }
}
