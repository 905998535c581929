using FilterPruning.Criteria;

namespace FilterPruning.Tests.Criteria;

public class CriteriaTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Norms_equal_their_definitions(int axis)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        var weight = randn(5, 7, 3, 2, generator: generator);
        var bank = Bank(weight, axis, axis == 0 ? 5 : 7);
        var l1 = new L1Criterion().Score(bank);
        var l2 = new L2Criterion().Score(bank);
        for (var i = 0; i < bank.Count; i++)
        {
            var filter = weight.select(axis, i).flatten().data<float>().Select(w => (double)w).ToArray();
            Assert.Equal(filter.Sum(Math.Abs), l1[i].item<float>(), 1e-5);
            Assert.Equal(Math.Sqrt(filter.Sum(w => w * w)), l2[i].item<float>(), 1e-5);
        }

        Assert.Equal((ScalarType.Float32, 1L), (l1.dtype, l1.dim()));
    }

    [Fact]
    public void Filters_of_a_grouped_transposed_convolution_lie_in_their_block()
    {
        using var scope = NewDisposeScope();
        var weight = arange(4 * 3 * 2, dtype: float32).reshape(4, 3, 2);  // [in 4, out / groups 3, kernel 2], 2 groups
        var bank = Bank(weight, 1, 6);
        var scores = new L1Criterion().Score(bank);
        for (var filter = 0; filter < 6; filter++)
        {
            var rows = weight[TensorIndex.Slice((filter / 3) * 2, ((filter / 3) * 2) + 2)];
            Assert.Equal(rows[.., filter % 3].sum().item<float>(), scores[filter].item<float>());
        }

        Assert.Throws<PruningException>(() => Bank(weight, 1, 7).AsMatrix());
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void Any_floating_point_type_gives_float32_scores(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var weight = full([2, 100_000], 2, dtype: type);  // the sum is above the range of float16
        foreach (IPruningCriterion criterion in new IPruningCriterion[] { new L1Criterion(), new L2Criterion(), new RandomCriterion(1) })
            Assert.Equal(ScalarType.Float32, criterion.Score(Bank(weight, 0, 2)).dtype);
        Assert.Equal(200_000, new L1Criterion().Score(Bank(weight, 0, 2))[0].item<float>());
    }

    [Fact]
    public void Random_scores_depend_on_seed_and_name_alone()
    {
        using var scope = NewDisposeScope();
        var weight = ones(50, 2);
        var one = new RandomCriterion(1);
        var a = one.Score(Bank(weight, 0, 50));
        manual_seed(99);
        one.Score(Bank(weight, 0, 50, "other"));
        Assert.True(a.equal(new RandomCriterion(1).Score(Bank(weight * 5, 0, 50))).all().item<bool>());
        Assert.False(a.equal(new RandomCriterion(2).Score(Bank(weight, 0, 50))).any().item<bool>());
        Assert.False(a.equal(one.Score(Bank(weight, 0, 50, "other"))).any().item<bool>());
    }

    private static FilterBank Bank(Tensor weight, int axis, int count, string name = "layer") => new(name, nn.Identity(), weight, axis, count);
}
