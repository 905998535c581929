namespace FilterPruning.Detection.Data;

/// <summary>
/// A small random generator whose sequence is the same on every platform and in every version of .NET, for data that must be repeatable: scenes, splits, shuffles.
/// </summary>
/// <remarks>
/// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. A 64-bit counter with an odd increment, passed through a mixing function.
/// A mutable struct: keep it in a variable or pass it by reference, a copy repeats the same numbers. Not for secrets.
/// </remarks>
internal struct SplitMix64
{
    private const ulong Increment = 0x9E3779B97F4A7C15;
    private ulong _state;

    /// <summary>Starts a sequence.</summary>
    public SplitMix64(ulong seed) => _state = seed;

    /// <summary>Starts the sequence that belongs to one item of a seeded series; unlike items give unrelated sequences.</summary>
    public static SplitMix64 ForItem(long seed, long item) => new(Mix(Mix((ulong)seed + Increment) + ((ulong)item * 0xD1342543DE82EF95)));

    /// <summary>64 random bits.</summary>
    public ulong Next() => Mix(_state += Increment);

    /// <summary>Uniform in [0, 1), a multiple of 2⁻²⁴.</summary>
    public float NextFloat() => (Next() >> 40) * (1f / (1 << 24));

    /// <summary>Uniform in [<paramref name="low"/>, <paramref name="high"/>).</summary>
    public float Range(float low, float high) => low + ((high - low) * NextFloat());

    /// <summary>Uniform in 0 … <paramref name="count"/> − 1; the bias of the multiplication is below count · 2⁻⁶⁴.</summary>
    public int NextInt(int count) => (int)Math.BigMul(Next(), (ulong)count, out _);

    /// <summary>True with the given probability.</summary>
    public bool Chance(double probability) => NextFloat() < probability;

    /// <summary>Permutes the items in place (Fisher and Yates, from the end).</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (var last = items.Length - 1; last > 0; last--)
        {
            var other = NextInt(last + 1);
            (items[last], items[other]) = (items[other], items[last]);
        }
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
