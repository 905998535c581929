using FilterPruning.Detection.Models;
using FilterPruning.Detection.Tests.ModelTests;
using FilterPruning.Detection.Training;

namespace FilterPruning.Detection.Tests.Training;

public class DistillerTests
{
    [Theory]
    [InlineData(DistillationProposals.Automatic, true)]
    [InlineData(DistillationProposals.Automatic, false)]
    [InlineData(DistillationProposals.Student, false)]
    [InlineData(DistillationProposals.Teacher, true)]
    public void A_student_that_is_its_teacher_has_nothing_to_learn(DistillationProposals proposals, bool labels)
    {
        using var scope = NewDisposeScope();
        using var pair = new SmallPair(ratio: 0);
        using var distiller = new Distiller(pair.Student, pair.Known, new DistillationOptions { Proposals = proposals });
        using var generator = new Generator(1);
        using var losses = distiller.Losses(Small.Images(), labels ? Small.Targets() : null, generator);

        Assert.Equal(0, losses.Distillation!.item<float>());
        losses.Distillation!.backward();
        Assert.All(pair.Student.parameters().Where(p => p.requires_grad && p.grad is not null), p => Assert.InRange(p.grad!.abs().max().item<float>(), 0, 1e-4f));
        if (!labels)
            Assert.Equal(0, losses.Total().item<float>());
    }

    [Fact]
    public void Own_losses_are_the_students_losses_without_a_teacher()
    {
        using var scope = NewDisposeScope();
        using var pair = new SmallPair();
        using var distiller = new Distiller(pair.Student, pair.Known);
        using var first = new Generator(9);
        using var second = new Generator(9);
        using var alone = pair.Student.Losses(Small.Images(), Small.Targets(), first);
        using var taught = distiller.Losses(Small.Images(), Small.Targets(), second);

        Assert.Equal(Values(alone), Values(taught));
        Assert.True(taught.Distillation!.item<float>() > 0);
        Assert.Equal(taught.Total().item<float>(), Values(taught).Sum() + taught.Distillation!.item<float>(), 1e-5);
        static float[] Values(LossDict l) => [.. new[] { l.Classifier, l.BoxRegression, l.Mask, l.Objectness, l.RpnBoxRegression }.Select(t => t.item<float>())];
    }

    [Fact]
    public void A_pruned_students_features_are_compared_with_the_channels_it_kept()
    {
        using var scope = NewDisposeScope();
        using var pair = new SmallPair();
        var options = new DistillationOptions { Objectness = 0, RpnBoxes = 0, Classes = 0, Boxes = 0, Masks = 0 };
        using var distiller = new Distiller(pair.Student, pair.Known, options);
        using var generator = new Generator(1);
        using var losses = distiller.Losses(Small.Images(), generator);
        Assert.Null(losses.Masks);

        using var quiet = no_grad();
        var batch = pair.Student.TrainingBatch(Small.Images(), null, generator);
        var (mine, _) = pair.Student.Look(batch);
        var (known, _) = pair.Teacher.Look(batch);
        var removed = pair.Plan!.Find("backbone.fpn.layer_blocks.2.0")!.RemovedOutputs;
        int[] kept = [.. Enumerable.Range(0, 16).Except(removed)];
        Assert.InRange(kept.Length, 5, 15);
        var sum = 0.0;
        for (var level = 0; level < 4; level++)
        {
            var (above, below) = (0.0, 0.0);
            for (var k = 0; k < kept.Length; k++)
            {
                var (s, t) = (mine[level].select(1, k), known[level].select(1, kept[k]));
                above += (s - t).square().sum().item<float>();
                below += t.square().sum().item<float>();
            }

            sum += above / below / 4;
        }

        Assert.Equal(sum, losses.Features!.item<float>(), 1e-5 * sum);
        Assert.True(sum > 0.01);
    }

    [Fact]
    public void Channels_are_found_between_two_pruned_models()
    {
        using var pair = new SmallPair(0.3);
        var next = SmallPair.Cut(pair.Student, 0.3, seed: 2);
        var whole = pair.Plan!.Then(next);
        using var half = MaskRcnn.ResNet18Fpn(6, pair.Options);
        SmallPair.Cut(half, 0.3);

        var removedFirst = pair.Plan.Find("backbone.fpn.layer_blocks.0.0")!.RemovedOutputs;
        var removed = whole.Find("backbone.fpn.layer_blocks.0.0")!.RemovedOutputs;
        int[] left = [.. Enumerable.Range(0, 16).Except(removedFirst)];
        int[] kept = [.. Enumerable.Range(0, 16).Except(removed)];
        Assert.Equal(kept, new DistillationTeacher(pair.Teacher, whole).KeptChannels(pair.Student));
        Assert.Equal(kept.Select(channel => Array.IndexOf(left, channel)), new DistillationTeacher(half, whole, pair.Plan).KeptChannels(pair.Student));
        // The other way round the teacher lacks what the student has.
        Assert.Contains("that the teacher lost", Assert.Throws<ArgumentException>(() => new DistillationTeacher(pair.Student, pair.Plan, whole).KeptChannels(half)).Message);
    }

    [Fact]
    public void The_teacher_is_left_as_it_is()
    {
        using var scope = NewDisposeScope();
        // Live norms would change their statistics in training mode.
        var options = Small.Options with { Norm = BackboneNorm.Live };
        using var teacher = MaskRcnn.ResNet18Fpn(6, options with { Seed = 1 });
        using var student = MaskRcnn.ResNet18Fpn(6, options with { Seed = 2 });
        teacher.train();
        var odd = teacher.named_modules().First(m => m.name == "backbone.body.layer1").module;
        odd.eval();
        var before = teacher.state_dict().ToDictionary(e => e.Key, e => e.Value.detach().clone());
        bool[] flags = [.. teacher.modules().Select(m => m.training)];
        using var distiller = new Distiller(student, new DistillationTeacher(teacher));
        using var generator = new Generator(1);
        using var losses = distiller.Losses(Small.Images(), Small.Targets(), generator);
        losses.Total().backward();

        Assert.All(teacher.state_dict(), e => Assert.True(Bits.Same(before[e.Key], e.Value), e.Key));
        Assert.Equal(flags, teacher.modules().Select(m => m.training));
        Assert.Contains(false, flags);
        Assert.Contains(true, flags);
        Assert.All(teacher.parameters(), p => Assert.Null(p.grad));
        Assert.Contains(student.parameters(), p => p.grad is not null);
    }

    [Fact]
    public void What_cannot_be_compared_is_refused()
    {
        using var pair = new SmallPair();
        using var other = MaskRcnn.ResNet18Fpn(3, pair.Options with { ImageMean = [0, 0, 0], AspectRatios = [1] });
        var message = Assert.Throws<ArgumentException>(() => new Distiller(pair.Student, new DistillationTeacher(other), new DistillationOptions { Masks = -1, Temperature = 0 })).Message;
        Assert.All(["Masks is -1", "Temperature is 0", "3 classes", "anchors", "ImageMean"], part => Assert.Contains(part, message, StringComparison.Ordinal));

        Assert.Contains("is the student itself", Assert.Throws<ArgumentException>(() => new Distiller(pair.Student, new DistillationTeacher(pair.Student))).Message);
        Assert.Contains("Give the plan that the student's file holds", Assert.Throws<ArgumentException>(() => new Distiller(pair.Student, new DistillationTeacher(pair.Teacher))).Message);
        var none = new DistillationOptions { Features = 0, Objectness = 0, RpnBoxes = 0, Classes = 0, Boxes = 0, Masks = 0 };
        Assert.Contains("weight 0", Assert.Throws<ArgumentException>(() => new Distiller(pair.Student, pair.Known, none)).Message);
        // Without features the widths need not be known.
        new Distiller(pair.Student, new DistillationTeacher(pair.Teacher), new DistillationOptions { Features = 0 }).Dispose();
    }
}
