using FilterPruning.Detection.Data;

namespace FilterPruning.Detection.Tests.Data;

public class SplitMix64Tests
{
    [Fact]
    public void It_gives_the_published_sequence()
    {
        // The values every description of SplitMix64 states for seed 1234567.
        var random = new SplitMix64(1234567);
        ulong[] expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821];
        Assert.Equal(expected, Enumerable.Range(0, 5).Select(_ => random.Next()));
    }

    [Fact]
    public void Items_of_a_series_and_seeds_have_sequences_of_their_own()
    {
        var firsts = new HashSet<ulong>();
        for (var seed = -50; seed < 50; seed++)
        {
            for (var item = 0; item < 100; item++)
                firsts.Add(SplitMix64.ForItem(seed, item).Next());
        }

        Assert.Equal(10_000, firsts.Count);
    }

    [Fact]
    public void Shuffling_gives_each_permutation_equally_often()
    {
        const int Trials = 24_000;
        var counts = new Dictionary<string, int>();
        var random = new SplitMix64(5);
        for (var i = 0; i < Trials; i++)
        {
            char[] items = ['a', 'b', 'c', 'd'];
            random.Shuffle<char>(items);
            counts[new string(items)] = counts.GetValueOrDefault(new string(items)) + 1;
        }

        // Binomial with n = 24000, p = 1/24: mean 1000, standard deviation 31; five of them.
        Assert.Equal(24, counts.Count);
        Assert.All(counts.Values, count => Assert.InRange(count, 845, 1155));
    }
}
