using CsCheck;
using FilterPruning.Schedules;

namespace FilterPruning.Tests.Planning;

public class ScheduleTests
{
    [Theory]
    [InlineData(1, 0.4625)]  // 0.8 (1 - (3/4)^3) = 0.8 * 37/64
    [InlineData(2, 0.7)]     // 0.8 (1 - 1/8)
    [InlineData(3, 0.7875)]  // 0.8 (1 - 1/64)
    [InlineData(4, 0.8)]
    public void The_cubic_schedule_is_that_of_Zhu_and_Gupta(int step, double removed)
        => Assert.Equal(removed, PruningSchedule.RemovedAfter(ScheduleShape.Cubic, 0.8, step, 4), 1e-15);

    [Fact]
    public void The_others_take_equal_shares_of_the_original_or_of_what_is_left()
    {
        Assert.Equal(0.15, PruningSchedule.RemovedAfter(ScheduleShape.Linear, 0.6, 1, 4), 1e-15);
        Assert.Equal(0.45, PruningSchedule.RemovedAfter(ScheduleShape.Linear, 0.6, 3, 4), 1e-15);
        Assert.Equal(0.5, PruningSchedule.RemovedAfter(ScheduleShape.Exponential, 0.75, 1, 2), 1e-15);
        Assert.Equal(0.875, PruningSchedule.RemovedAfter(ScheduleShape.Exponential, 1 - (1 / 16.0), 3, 4), 1e-15);
    }

    [Fact]
    public void Every_schedule_begins_at_nothing_grows_and_ends_exactly_at_the_final_share()
        => Gen.Select(Gen.Enum<ScheduleShape>(), Gen.Double[0, 0.99], Gen.Int[1, 30]).Sample((shape, final, steps) =>
        {
            var shares = Enumerable.Range(0, steps + 1).Select(step => PruningSchedule.RemovedAfter(shape, final, step, steps)).ToList();
            Assert.Equal(0, shares[0]);
            Assert.Equal(final, shares[^1]);
            Assert.All(shares.Zip(shares.Skip(1)), pair => Assert.True(pair.First <= pair.Second));
        }, iter: 200, seed: "dwI8F0OzRnY1");

    [Fact]
    public void Values_outside_their_ranges_are_refused()
    {
        foreach (var final in new[] { -0.1, 1, double.NaN })
            Assert.Throws<ArgumentOutOfRangeException>(() => PruningSchedule.RemovedAfter(ScheduleShape.Linear, final, 1, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => PruningSchedule.RemovedAfter(ScheduleShape.Linear, 0.5, 0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => PruningSchedule.RemovedAfter(ScheduleShape.Linear, 0.5, 3, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => PruningSchedule.RemovedAfter(ScheduleShape.Linear, 0.5, -1, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => PruningSchedule.RemovedAfter((ScheduleShape)9, 0.5, 1, 2));
    }
}
