using FilterPruning.Detection.Training;

namespace FilterPruning.Detection.Tests.Training;

/// <summary>Each distance against numbers worked out by hand, and its gradient against finite differences.</summary>
public class DistillationTermsTests
{
    [Fact]
    public void Features_are_compared_in_the_kept_channels_relative_to_their_size()
    {
        using var scope = NewDisposeScope();
        // Two levels; the student kept channels 0 and 2 of three.
        var teacher = new[] { tensor(new float[] { 1, 9, 2 }).view(1, 3, 1, 1), tensor(new float[] { 0, 9, 4 }).view(1, 3, 1, 1) };
        var student = new[] { tensor(new float[] { 2, 2 }).view(1, 2, 1, 1), tensor(new float[] { 2, 2 }).view(1, 2, 1, 1) };
        var kept = tensor(new long[] { 0, 2 });

        // ((2 − 1)² + 0) / (1 + 4) and ((2 − 0)² + (2 − 4)²) / 16
        Assert.Equal((0.2 + 0.5) / 2, DistillationTerms.Features(student, teacher, kept).item<float>(), 1e-6);
    }

    [Fact]
    public void Two_way_choices_give_the_divergence_of_their_probabilities()
    {
        using var scope = NewDisposeScope();
        double[] student = [0.3, -2, 0], teacher = [1.5, -0.5, 40];
        double Kl(double p, double q) => (p > 0 ? p * Math.Log(p / q) : 0) + (p < 1 ? (1 - p) * Math.Log((1 - p) / (1 - q)) : 0);
        double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
        var expected = student.Zip(teacher, (s, t) => Kl(Sigmoid(t), Sigmoid(s))).Average();

        Assert.Equal(expected, DistillationTerms.Binary(tensor(student), tensor(teacher)).item<double>(), 1e-12);
    }

    [Fact]
    public void Classes_give_the_divergence_at_a_temperature_times_its_square()
    {
        using var scope = NewDisposeScope();
        double[] student = [1, 0, -1], teacher = [0, 2, 1];
        double[] Softmax(double[] x) => [.. x.Select(v => Math.Exp(v / 2) / x.Sum(w => Math.Exp(w / 2)))];
        var expected = 4 * Softmax(teacher).Zip(Softmax(student), (p, q) => p * Math.Log(p / q)).Sum();

        // The second box agrees and halves the mean.
        var s = cat([tensor(student).view(1, 3), tensor(teacher).view(1, 3)]);
        var t = cat([tensor(teacher).view(1, 3), tensor(teacher).view(1, 3)]);
        Assert.Equal(expected / 2, DistillationTerms.Classes(s, t, 2).item<double>(), 1e-12);
    }

    [Fact]
    public void Offsets_count_by_the_teachers_probability()
    {
        using var scope = NewDisposeScope();
        // |d| = 1 is beyond 1/9: 1 − 1/18; d = 1/18 is below: 9/2 · d².
        var student = tensor(new double[] { 1, 0, 0, 0, 1.0 / 18, 0, 0, 0 }).view(2, 4);
        var expected = ((1 - 1.0 / 18) * 0.5 + 4.5 / (18 * 18) * 0.25) / 2;
        Assert.Equal(expected, DistillationTerms.Offsets(student, zeros_like(student), tensor(new[] { 0.5, 0.25 })).item<double>(), 1e-12);

        // One box of three classes: what is said about the background counts nothing.
        var deltas = tensor(new double[] { 7, 7, 7, 7, 1, 0, 0, 0, 1.0 / 18, 0, 0, 0 }).view(1, 3, 4);
        var probabilities = tensor(new[] { 0.25, 0.5, 0.25 }).view(1, 3);
        Assert.Equal(expected * 2, DistillationTerms.ClassOffsets(deltas, zeros_like(deltas), probabilities).item<double>(), 1e-12);
    }

    [Fact]
    public void Masks_are_compared_for_the_likeliest_class_alone()
    {
        using var scope = NewDisposeScope();
        var student = zeros([1, 3, 1, 2], float64);
        var teacher = tensor(new double[] { 9, 9, 9, 9, 1, -2 }).view(1, 3, 1, 2);
        var probabilities = tensor(new[] { 0.6, 0.1, 0.3 }).view(1, 3); // class 2, weighed 0.3
        var expected = DistillationTerms.Binary(zeros(2, float64), tensor(new double[] { 1, -2 })).item<double>() * 0.3;

        Assert.Equal(expected, DistillationTerms.Masks(student, teacher, probabilities).item<double>(), 1e-12);
    }

    public static TheoryData<string> Terms() => ["features", "binary", "classes", "offsets", "class offsets", "masks"];

    [Theory]
    [MemberData(nameof(Terms))]
    public void Gradients_are_those_of_finite_differences(string term)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5);
        var (shape, distance) = Case(term, generator);
        var student = randn(shape, float64, generator: generator).requires_grad_();
        distance(student).backward();

        const double step = 1e-6;
        using var quiet = no_grad();
        var flat = student.flatten();
        for (var i = 0; i < flat.shape[0]; i++)
        {
            var value = flat[i].item<double>();
            flat[i] = value + step;
            var above = distance(student).item<double>();
            flat[i] = value - step;
            var below = distance(student).item<double>();
            flat[i] = value;
            // Central differences: an error of step² from the third derivative, and of rounding, 1e-16 / step.
            Assert.Equal((above - below) / (2 * step), student.grad!.flatten()[i].item<double>(), 1e-7);
        }
    }

    [Theory]
    [MemberData(nameof(Terms))]
    public void Agreement_is_exactly_zero_and_so_is_its_gradient(string term)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5);
        var (shape, _) = Case(term, generator);
        var student = randn(shape, generator: generator).requires_grad_();
        var same = student.detach().clone();
        var loss = term switch
        {
            "features" => DistillationTerms.Features([student], [same], null),
            "binary" => DistillationTerms.Binary(student, same),
            "classes" => DistillationTerms.Classes(student, same, 2),
            "offsets" => DistillationTerms.Offsets(student, same, ones(shape[0])),
            "class offsets" => DistillationTerms.ClassOffsets(student, same, ones(shape[0], shape[1])),
            _ => DistillationTerms.Masks(student, same, ones(shape[0], shape[1])),
        };
        loss.backward();

        Assert.Equal(0, loss.item<float>());
        // log_softmax's own backward rounds: exp(log p) against p.
        Assert.InRange(student.grad!.abs().max().item<float>(), 0, 1e-7f);
    }

    [Fact]
    public void No_boxes_are_no_loss_but_have_a_gradient()
    {
        using var scope = NewDisposeScope();
        var none = zeros(0, 3).requires_grad_();
        var masks = zeros(0, 3, 28, 28).requires_grad_();
        var deltas = zeros(0, 3, 4).requires_grad_();
        var total = DistillationTerms.Classes(none, none.detach(), 2) + DistillationTerms.Masks(masks, masks.detach(), none.detach()) + DistillationTerms.ClassOffsets(deltas, deltas.detach(), none.detach());
        total.backward();
        Assert.Equal(0, total.item<float>());
    }

    private static (long[] Shape, Func<Tensor, Tensor> Distance) Case(string term, Generator generator)
    {
        Tensor Known(params long[] shape) => randn(shape, float64, generator: generator);
        Tensor Probabilities(params long[] shape) => rand(shape, float64, generator: generator);
        switch (term)
        {
            case "features":
                var (wide, kept) = (Known(2, 5, 2, 2), tensor(new long[] { 1, 2, 4 }));
                return ([2, 3, 2, 2], s => DistillationTerms.Features([s, s * 2], [wide, wide.exp()], kept));
            case "binary":
                var logits = Known(7);
                return ([7], s => DistillationTerms.Binary(s, logits));
            case "classes":
                var classes = Known(4, 3);
                return ([4, 3], s => DistillationTerms.Classes(s, classes, 2));
            case "offsets":
                var (offsets, weights) = (Known(5, 4), Probabilities(5));
                return ([5, 4], s => DistillationTerms.Offsets(s, offsets, weights));
            case "class offsets":
                var (deltas, by) = (Known(3, 3, 4), Probabilities(3, 3));
                return ([3, 3, 4], s => DistillationTerms.ClassOffsets(s, deltas, by));
            default:
                var (masks, likely) = (Known(3, 3, 2, 2), Probabilities(3, 3));
                return ([3, 3, 2, 2], s => DistillationTerms.Masks(s, masks, likely));
        }
    }
}
