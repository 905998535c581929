using FilterPruning.Proof;

namespace FilterPruning.Tests.Proof;

public class RelativeErrorTests
{
    [Fact]
    public void It_is_the_largest_difference_over_the_largest_value()
    {
        using var scope = NewDisposeScope();
        Assert.Equal(0.25, RelativeError.Of(tensor(new[] { 1f, -3f, 0f }), tensor(new[] { 1f, -4f, 0f })), 1e-7);
        Assert.Equal(0, RelativeError.Of(zeros(0, 3), zeros(0, 3)));
        Assert.Equal(0, RelativeError.Of(zeros(2), zeros(2)));
        Assert.Equal(0.5, RelativeError.Of(tensor(new[] { 0.5f }), zeros(1)));
        Assert.Equal(0.5, RelativeError.Of(tensor(new[] { 1L, 2L }), tensor(new[] { 1L, 4L })));
        Assert.Equal(1, RelativeError.Of(tensor(new[] { true }), tensor(new[] { false })));
    }

    [Fact]
    public void Values_that_are_not_finite_must_be_the_same_on_both_sides()
    {
        using var scope = NewDisposeScope();
        var odd = tensor(new[] { float.NaN, float.PositiveInfinity, 2f });
        Assert.Equal(0, RelativeError.Of(odd, odd.clone()));
        Assert.Equal(0.5, RelativeError.Of(tensor(new[] { float.NaN, float.PositiveInfinity, 1f }), odd));
        Assert.Equal(double.PositiveInfinity, RelativeError.Of(tensor(new[] { 1f, float.PositiveInfinity, 2f }), odd));
        Assert.Equal(double.PositiveInfinity, RelativeError.Of(tensor(new[] { float.NaN, float.NegativeInfinity, 2f }), odd));
        Assert.Equal(double.PositiveInfinity, RelativeError.Of(tensor(new[] { float.NaN }), tensor(new[] { 1f })));
    }
}
