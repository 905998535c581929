using FilterPruning.Kernels;

namespace FilterPruning.Tests.Kernels;

public unsafe class WorkSharingTests
{
    private static void Count(int part, void* state) => Interlocked.Increment(ref ((int*)state)[part]);

    [Theory]
    [InlineData(0, 4)]
    [InlineData(1, 4)]
    [InlineData(7, 1)]
    [InlineData(7, 2)]
    [InlineData(1000, 3)]
    [InlineData(1000, 1000)]
    public void Every_part_is_done_once_before_the_call_returns(int parts, int threads)
    {
        var counts = stackalloc int[1001];
        for (var again = 1; again <= 50; again++)
        {
            WorkSharing.Run(parts, threads, &Count, counts);
            for (var part = 0; part < parts; part++)
                Assert.Equal(again, counts[part]);
        }

        Assert.Equal(0, counts[parts]);
    }

    [Fact]
    public void Callers_at_the_same_time_do_not_disturb_each_other()
    {
        Parallel.For(0, 8, _ =>
        {
            var counts = stackalloc int[64];
            for (var again = 1; again <= 100; again++)
            {
                WorkSharing.Run(64, 4, &Count, counts);
                for (var part = 0; part < 64; part++)
                    Assert.Equal(again, counts[part]);
            }
        });
    }
}
