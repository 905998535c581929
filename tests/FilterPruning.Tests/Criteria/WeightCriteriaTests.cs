using FilterPruning.Criteria;
using FilterPruning.Planning;

namespace FilterPruning.Tests.Criteria;

public class WeightCriteriaTests
{
    public static TheoryData<IPruningCriterion> All => [new LpCriterion(0.5), new LpCriterion(3), new GeometricMedianCriterion(), new LampCriterion(), new L1Criterion(), new L2Criterion()];

    [Fact]
    public void Lp_is_its_definition()
    {
        using var scope = NewDisposeScope();
        var bank = Bank.Rows([1, -8, 27], [0, 0, 0], [2, 2, 2]);
        Bank.Close([Math.Cbrt(1 + 512 + 19683), 0, Math.Cbrt(24)], Bank.Scores(new LpCriterion(3), bank));
        Bank.Close([Math.Pow(1 + Math.Sqrt(8) + Math.Sqrt(27), 2), 0, 18], Bank.Scores(new LpCriterion(0.5), bank));
        Bank.Close([27, 0, 2], Bank.Scores(new LpCriterion(double.PositiveInfinity), bank));
        Assert.Equal("lp:0.5", new LpCriterion(0.5).Name);
    }

    [Fact]
    public void Lp_at_1_and_2_is_L1_and_L2()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        var bank = Bank.Of(randn(7, 5, 3, generator: generator), axis: 1);
        Bank.Close(Bank.Scores(new L1Criterion(), bank), Bank.Scores(new LpCriterion(1), bank));
        Bank.Close(Bank.Scores(new L2Criterion(), bank), Bank.Scores(new LpCriterion(2), bank));
    }

    [Fact]
    public void Lp_neither_overflows_nor_vanishes()
    {
        using var scope = NewDisposeScope();
        Bank.Close([1e30 * Math.Pow(2, 0.02), 1e-30 * Math.Pow(2, 0.02)], Bank.Scores(new LpCriterion(50), Bank.Rows([1e30, -1e30], [1e-30, 1e-30])));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    public void Lp_refuses_exponents_that_are_none(double p) => Assert.Throws<ArgumentOutOfRangeException>(() => new LpCriterion(p));

    [Fact]
    public void Distances_of_points_known_by_hand()
    {
        using var scope = NewDisposeScope();
        // A 3-4-5 triangle, one corner twice.
        Bank.Close([3 + 4, 3 + 5 + 3, 4 + 5 + 4, 3 + 4], Bank.Scores(new GeometricMedianCriterion(), Bank.Rows([0, 0], [3, 0], [0, 4], [0, 0])), 1e-7);
        Bank.Close([0, 0, 0], Bank.Scores(new GeometricMedianCriterion(), Bank.Rows([0.1, 0.7], [0.1, 0.7], [0.1, 0.7])));
        Bank.Close([0], Bank.Scores(new GeometricMedianCriterion(), Bank.Rows([5, 5])));
    }

    [Fact]
    public void Distances_equal_those_computed_pair_by_pair()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(2, CPU);
        var weight = randn(40, 6, 3, 3, generator: generator) + 100;  // far from the origin, where ‖a‖² + ‖b‖² − 2ab would lose everything
        var rows = weight.reshape(40, -1).to(float64);
        var expected = Enumerable.Range(0, 40).Select(i => Enumerable.Range(0, 40).Sum(j => (rows[i] - rows[j]).square().sum().sqrt().item<double>())).ToArray();
        Bank.Close(expected, Bank.Scores(new GeometricMedianCriterion(), Bank.Of(weight)));
    }

    [Fact]
    public void Many_filters_are_compared_block_by_block()
    {
        using var scope = NewDisposeScope();
        const int Count = 3000;  // two blocks
        // Points on a line: Σ |i − j| = (i(i + 1) + (n − 1 − i)(n − i)) / 2.
        var bank = Bank.Of(arange(Count, dtype: float64).unsqueeze(1));
        Assert.True(RowBlocks.Of(Count, Count).Count() > 1);
        Bank.Close([.. Enumerable.Range(0, Count).Select(i => ((i * (i + 1.0)) + ((Count - 1.0 - i) * (Count - i))) / 2)], Bank.Scores(new GeometricMedianCriterion(), bank));
    }

    [Fact]
    public void Lamp_divides_by_what_is_not_smaller()
    {
        using var scope = NewDisposeScope();
        // Squared norms 4, 1, 9, 4, 0.
        var bank = Bank.Rows([0, 2], [1, 0], [3, 0], [-2, 0], [0, 0]);
        Bank.Close([4.0 / 17, 1.0 / 18, 1, 4.0 / 17, 0], Bank.Scores(new LampCriterion(), bank));
        Bank.Close([0, 0], Bank.Scores(new LampCriterion(), Bank.Rows([0, 0], [0, 0])));
    }

    [Fact]
    public void Lamp_ranks_a_layer_as_its_norms_do()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3, CPU);
        var bank = Bank.Of(randn(50, 4, generator: generator));
        var (lamp, norms) = (Bank.Scores(new LampCriterion(), bank), Bank.Scores(new L2Criterion(), bank));
        Assert.Equal(Enumerable.Range(0, 50).OrderBy(i => norms[i]), Enumerable.Range(0, 50).OrderBy(i => lamp[i]));
        Bank.Close(ScoreNormalizer.Apply([.. norms.Select(norm => norm * norm)], ScoreNormalization.Lamp, "layer"), lamp);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Nothing_is_changed_and_nothing_left_behind(IPruningCriterion criterion)
    {
        using var weight = nn.Parameter(arange(60, dtype: float64).reshape(4, 5, 3) / 7);
        using var before = weight.detach().clone();
        var bank = Bank.Of(weight, axis: 1);
        criterion.Score(bank).Dispose();
        var live = LiveTensors.Settled();
        criterion.Score(bank).Dispose();
        Assert.Equal(live, Tensor.TotalCount);
        Assert.True(weight.detach().allclose(before, 0, 0));
        Assert.False(criterion.Score(bank).requires_grad);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Filters_of_blocks_are_gathered_first(IPruningCriterion criterion)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4, CPU);
        var weight = randn(4, 3, 2, generator: generator);  // transposed, 2 groups: [in 4, out / groups 3, kernel 2]
        var bank = Bank.Of(weight, axis: 1, count: 6);
        Bank.Close(Bank.Scores(criterion, Bank.Of(bank.AsMatrix())), Bank.Scores(criterion, bank));
    }
}
