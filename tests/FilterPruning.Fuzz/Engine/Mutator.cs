using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace FilterPruning.Fuzz.Engine;

/// <summary>Changes inputs at random. The same seed makes the same changes.</summary>
internal sealed class Mutator(FuzzRandom random, IReadOnlyList<byte[]> words, int maximumLength)
{
    private static readonly long[] Numbers =
    [
        0, 1, -1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 65, 100, 127, 128, 255, 256, 511, 512, 1000, 1023, 1024, 4096, 32767, 32768, 65535, 65536, 1_000_000, 16777216,
        int.MaxValue - 1L, int.MaxValue, 1L << 31, uint.MaxValue, 1L << 32, 1L << 33, 1L << 40, 1L << 53, (1L << 62) - 1, 1L << 62, long.MaxValue - 1, long.MaxValue, long.MinValue,
    ];

    private static readonly string[] NumberTexts = ["-0", "1e400", "-1e400", "1e-400", "0.1", "18446744073709551616", "1E9", "00", "NaN", "9223372036854775808", "0.99999999999999999", "1.5"];

    public FuzzRandom Random { get; } = random;

    /// <summary>A changed copy of an input; <paramref name="other"/> lends it parts.</summary>
    public byte[] Mutate(byte[] input, byte[] other)
    {
        var bytes = new List<byte>(input);
        var steps = 1 << Random.Below(4);
        for (var i = 0; i < steps; i++)
            Step(bytes, other);
        if (bytes.Count > maximumLength)
            bytes.RemoveRange(maximumLength, bytes.Count - maximumLength);
        return [.. bytes];
    }

    /// <summary>A number that readers get wrong.</summary>
    public long Number() => Random.OneIn(3) ? Random.Below(300) : Random.Pick(Numbers);

    public string NumberText() => Random.OneIn(4) ? Random.Pick(NumberTexts) : Number().ToString(CultureInfo.InvariantCulture);

    private void Step(List<byte> bytes, byte[] other)
    {
        if (bytes.Count == 0)
        {
            bytes.AddRange(other);
            return;
        }

        var at = Random.Below(bytes.Count);
        switch (Random.Below(15))
        {
            case 0: bytes[at] ^= (byte)(1 << Random.Below(8)); break;
            case 1: bytes[at] = (byte)Random.Below(256); break;
            case 2: bytes[at] += (byte)(Random.Below(35) - 17); break;
            case 3: WriteNumber(bytes, at); break;
            case 4: bytes.RemoveRange(at, Block(bytes.Count - at)); break;
            case 5: bytes.InsertRange(Random.Below(bytes.Count + 1), bytes.GetRange(at, Block(bytes.Count - at))); break;
            case 6: bytes.InsertRange(at, RandomBytes(1 + Random.Below(8))); break;
            case 7: Overwrite(bytes, at, Part(other)); break;
            case 8: bytes.InsertRange(at, Word()); break;
            case 9: Overwrite(bytes, at, Word()); break;
            case 10: WriteDigits(bytes, at); break;
            case 11: bytes.InsertRange(at, Part(other)); break;
            case 12: bytes.RemoveRange(at, bytes.Count - at); break;
            case 13: bytes.RemoveRange(at, bytes.Count - at); bytes.AddRange(other.AsSpan(Random.Below(other.Length + 1))); break;
            default: Repeat(bytes, at); break;
        }
    }

    // Small blocks more often than large ones.
    private int Block(int longest) => 1 + Random.Below(Math.Min(longest, 1 << Random.Below(11)));

    private byte[] RandomBytes(int count)
    {
        var bytes = new byte[count];
        for (var i = 0; i < count; i++)
            bytes[i] = (byte)Random.Below(256);
        return bytes;
    }

    private byte[] Word() => words.Count == 0 || Random.OneIn(8) ? Encoding.ASCII.GetBytes(NumberText()) : Random.Pick(words);

    private byte[] Part(byte[] other)
    {
        if (other.Length == 0)
            return [];
        var begin = Random.Below(other.Length);
        return other[begin..(begin + Block(other.Length - begin))];
    }

    private static void Overwrite(List<byte> bytes, int at, byte[] part)
    {
        for (var i = 0; i < part.Length && at + i < bytes.Count; i++)
            bytes[at + i] = part[i];
    }

    private void WriteNumber(List<byte> bytes, int at)
    {
        Span<byte> number = stackalloc byte[8];
        var value = Number();
        if (Random.OneIn(2))
            BinaryPrimitives.WriteInt64LittleEndian(number, value);
        else
            BinaryPrimitives.WriteInt64BigEndian(number, value);
        var size = 1 << Random.Below(4);
        Overwrite(bytes, at, number[0] == 0 && value != 0 ? number[^size..].ToArray() : number[..size].ToArray());
    }

    private void WriteDigits(List<byte> bytes, int at)
    {
        while (at < bytes.Count && !char.IsAsciiDigit((char)bytes[at]))
            at++;
        var end = at;
        while (end < bytes.Count && char.IsAsciiDigit((char)bytes[end]))
            end++;
        bytes.RemoveRange(at, end - at);
        bytes.InsertRange(at, Encoding.ASCII.GetBytes(NumberText()));
    }

    private void Repeat(List<byte> bytes, int at)
    {
        var block = bytes.GetRange(at, Block(Math.Min(bytes.Count - at, 64)));
        var times = Math.Min(1 << Random.Below(11), maximumLength / block.Count);
        var all = new List<byte>(block.Count * times);
        for (var i = 0; i < times; i++)
            all.AddRange(block);
        bytes.InsertRange(at, all);
    }
}
