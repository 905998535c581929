using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FilterPruning.Benchmarks.Scoring;

/// <summary>
/// Reads memory and does nothing else: the limit that scoring is held against. There are several plain loops (wide and narrow vectors, one stream and four), because which is the fastest depends on the
/// machine and on where the bytes are; the limit is the best of them. They add up integers with independent accumulators, so that arithmetic never waits.
/// </summary>
internal static unsafe class ReadLimit
{
    /// <summary>Reads a block of bytes.</summary>
    public delegate ulong Reader(byte* bytes, long count);

    /// <summary>The loops for one thread.</summary>
    public static IReadOnlyList<Reader> OneThread { get; } = [Wide, Narrow, FourStreams, FourBlocks];

    /// <summary>The same loops, the block shared between two threads: in halves, or in parts of 256 kB that are taken as they come.</summary>
    public static IReadOnlyList<Reader> TwoThreads { get; } =
        [.. OneThread.SelectMany(reader => new Reader[] { (bytes, count) => Shared(reader, bytes, count, (count / 2 / 256 * 256) + 256), (bytes, count) => Shared(reader, bytes, count, 256 << 10) })];

    /// <summary>The loops for one or two threads.</summary>
    public static IReadOnlyList<Reader> For(int threads) => threads == 1 ? OneThread : TwoThreads;

    /// <summary>512-bit vectors, four accumulators.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ulong Wide(byte* bytes, long count)
    {
        Vector512<ulong> a = default, b = default, c = default, d = default;
        for (long i = 0; i <= count - 256; i += 256)
        {
            a += Vector512.Load((ulong*)(bytes + i));
            b += Vector512.Load((ulong*)(bytes + i + 64));
            c += Vector512.Load((ulong*)(bytes + i + 128));
            d += Vector512.Load((ulong*)(bytes + i + 192));
        }

        return Vector512.Sum(a + b + c + d);
    }

    /// <summary>256-bit vectors, four accumulators.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ulong Narrow(byte* bytes, long count)
    {
        Vector256<ulong> a = default, b = default, c = default, d = default;
        for (long i = 0; i <= count - 256; i += 256)
        {
            a += Vector256.Load((ulong*)(bytes + i)) + Vector256.Load((ulong*)(bytes + i + 32));
            b += Vector256.Load((ulong*)(bytes + i + 64)) + Vector256.Load((ulong*)(bytes + i + 96));
            c += Vector256.Load((ulong*)(bytes + i + 128)) + Vector256.Load((ulong*)(bytes + i + 160));
            d += Vector256.Load((ulong*)(bytes + i + 192)) + Vector256.Load((ulong*)(bytes + i + 224));
        }

        return Vector256.Sum(a + b + c + d);
    }

    /// <summary>Four quarters at once: more pages in flight for the hardware's prefetchers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ulong FourStreams(byte* bytes, long count)
    {
        Vector512<ulong> a = default, b = default, c = default, d = default;
        var quarter = count / 256 * 64;
        for (long i = 0; i < quarter; i += 64)
        {
            a += Vector512.Load((ulong*)(bytes + i));
            b += Vector512.Load((ulong*)(bytes + i + quarter));
            c += Vector512.Load((ulong*)(bytes + i + (2 * quarter)));
            d += Vector512.Load((ulong*)(bytes + i + (3 * quarter)));
        }

        return Vector512.Sum(a + b + c + d);
    }

    /// <summary>Four quarters, half a kilobyte of each in turn.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ulong FourBlocks(byte* bytes, long count)
    {
        var quarter = count / 2048 * 512;
        Vector256<ulong> a = default, b = default, c = default, d = default;
        for (long i = 0; i < quarter; i += 512)
        {
            for (long block = i; block < 4 * quarter; block += quarter)
            {
                for (var p = bytes + block; p < bytes + block + 512; p += 128)
                {
                    a += Vector256.Load((ulong*)p);
                    b += Vector256.Load((ulong*)(p + 32));
                    c += Vector256.Load((ulong*)(p + 64));
                    d += Vector256.Load((ulong*)(p + 96));
                }
            }
        }

        return Vector256.Sum(a + b + c + d);
    }

    private static ulong Shared(Reader reader, byte* bytes, long count, long part)
    {
        ulong sum = 0;
        Parallel.For(0, (count + part - 1) / part, new ParallelOptions { MaxDegreeOfParallelism = 2 }, i =>
            Interlocked.Add(ref sum, reader(bytes + (i * part), Math.Min(part, count - (i * part)))));
        return sum;
    }
}
