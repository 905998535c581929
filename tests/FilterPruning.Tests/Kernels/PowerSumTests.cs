using FilterPruning.Kernels;

namespace FilterPruning.Tests.Kernels;

/// <summary>The two loops against the plain ones, for each type of number and each kind of power.</summary>
public unsafe class PowerSumTests
{
    private const double Tolerance = 1e-6;

    public static TheoryData<int> Lengths =>
        [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 128, 129, 147, 255, 256, 257, 1000, 4609, 20_003];

    /// <summary>Numbers over the whole range of the type, subnormal ones and both zeros among them.</summary>
    private static byte[] Numbers<TElement>(int count)
        where TElement : struct, IElement
    {
        var random = new Random(count);
        var bytes = new byte[count * TElement.Bytes];
        for (var i = 0; i < count; i++)
        {
            var value = (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-7, 4)));
            var at = bytes.AsSpan(i * TElement.Bytes);
            if (default(TElement) is SingleElement)
                BitConverter.TryWriteBytes(at, value);
            else if (default(TElement) is HalfElement)
                BitConverter.TryWriteBytes(at, (Half)value);
            else
                BitConverter.TryWriteBytes(at, (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));
        }

        return bytes;
    }

    private static void Check<TElement, TPower>(int length, TPower power)
        where TElement : struct, IElement
        where TPower : unmanaged, IPower
    {
        fixed (byte* first = Numbers<TElement>(length + 3))
        {
            for (var shift = 0; shift < 4; shift++)
            {
                var x = first + (shift * TElement.Bytes);
                var n = Math.Min(length, length + 3 - shift);
                var expected = PowerSum<TElement, TPower, Long>.OfRunPlain(x, n, power);
                var wide = PowerSum<TElement, TPower, Long>.OfRun(x, n, power);
                Assert.InRange(wide, expected * (1 - 1e-12), expected * (1 + 1e-12));
                if (IsShort<TPower>() && Short.Holds<TElement, TPower>(PowerSum<TElement, TPower, Short>.OfRun(x, n, power), n, power))
                    AssertNorm(PowerSum<TElement, TPower, Short>.OfRun(x, n, power), expected, power);
            }
        }
    }

    // A logarithm in single precision would not do.
    private static bool IsShort<TPower>() => typeof(TPower) != typeof(AnyPower);

    private static void AssertNorm<TPower>(double sum, double expected, TPower power)
        where TPower : unmanaged, IPower =>
        Assert.InRange(power.Root(sum), power.Root(expected) * (1 - Tolerance), power.Root(expected) * (1 + Tolerance));

    private static void CheckAll<TElement>(int length)
        where TElement : struct, IElement
    {
        Check<TElement, Magnitudes>(length, default);
        Check<TElement, Squares>(length, default);
        Check<TElement, HalfIntegerPower>(length, new(1));
        Check<TElement, HalfIntegerPower>(length, new(6));
        Check<TElement, HalfIntegerPower>(length, new(7));
        Check<TElement, AnyPower>(length, new(1.3));
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void A_run_agrees_with_the_plain_loop_at_any_length_and_alignment(int length)
    {
        CheckAll<SingleElement>(length);
        CheckAll<HalfElement>(length);
        CheckAll<BFloat16Element>(length);
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Nothing_behind_the_last_number_is_counted_and_no_number_is_left_out(int length)
    {
        // Powers of one number: the sum is exact, and any number left out or counted twice shows.
        CheckOnes<SingleElement>(length, BitConverter.GetBytes(-1f), BitConverter.GetBytes(float.NaN));
        CheckOnes<HalfElement>(length, BitConverter.GetBytes((Half)(-1)), BitConverter.GetBytes(Half.NaN));
        CheckOnes<BFloat16Element>(length, [0x80, 0xBF], [0xC0, 0x7F]);
    }

    private static void CheckOnes<TElement>(int length, byte[] minusOne, byte[] nan)
        where TElement : struct, IElement
    {
        byte[] numbers = [.. Enumerable.Range(0, length + 64).SelectMany(i => i < length ? minusOne : nan)];
        fixed (byte* x = numbers)
        {
            Assert.Equal(length, PowerSum<TElement, Magnitudes, Short>.OfRun(x, length, default));
            Assert.Equal(length, PowerSum<TElement, Squares, Short>.OfRun(x, length, default));
            Assert.Equal(length, PowerSum<TElement, HalfIntegerPower, Short>.OfRun(x, length, new(5)));
        }
    }

    [Theory]
    [InlineData(16, 1)]
    [InlineData(16, 4)]
    [InlineData(17, 5)]
    [InlineData(31, 8)]
    [InlineData(32, 3)]
    [InlineData(33, 6)]
    [InlineData(147, 64)]
    [InlineData(2048, 7)]
    public void Columns_agree_with_the_plain_loop_and_see_only_their_rows(int columns, int rows)
    {
        CheckRows<SingleElement, Magnitudes>(columns, rows, default);
        CheckRows<HalfElement, Magnitudes>(columns, rows, default);
        CheckRows<BFloat16Element, Magnitudes>(columns, rows, default);
        CheckRows<SingleElement, Squares>(columns, rows, default);
        CheckRows<HalfElement, Squares>(columns, rows, default);
        CheckRows<BFloat16Element, Squares>(columns, rows, default);
        CheckRows<SingleElement, HalfIntegerPower>(columns, rows, new(3));
        CheckRows<HalfElement, AnyPower>(columns, rows, new(2.2));
    }

    private static void CheckRows<TElement, TPower>(int columns, int rows, TPower power)
        where TElement : struct, IElement
        where TPower : unmanaged, IPower
    {
        const int Gap = 5;  // numbers between rows, which belong to nobody
        var numbers = Numbers<TElement>(rows * (columns + Gap));
        var step = (columns + Gap) * TElement.Bytes;
        for (var row = 0; row < rows; row++)
            numbers.AsSpan((row * step) + (columns * TElement.Bytes), Gap * TElement.Bytes).Fill(0x7B);  // large, and no NaN
        var (narrow, wide, plain) = (new double[columns + 16], new double[columns + 16], new double[columns]);
        fixed (byte* x = numbers)
        fixed (double* first = narrow, second = wide, expected = plain)
        {
            PowerSum<TElement, TPower, Short>.AddRows(x, rows, step, columns, first, power);
            PowerSum<TElement, TPower, Long>.AddRows(x, rows, step, columns, second, power);
            PowerSum<TElement, TPower, Short>.Order(first, columns);
            PowerSum<TElement, TPower, Long>.Order(second, columns);
            PowerSum<TElement, TPower, Long>.AddRowsPlain(x, rows, step, columns, expected, power);
        }

        for (var c = 0; c < columns; c++)
        {
            Assert.InRange(wide[c], plain[c] * (1 - 1e-12), plain[c] * (1 + 1e-12));
            if (IsShort<TPower>() && Short.Holds<TElement, TPower>(narrow[c], rows, power))
                AssertNorm(narrow[c], plain[c], power);
        }
    }

    [Fact]
    public void Every_half_and_bfloat16_is_loaded_as_it_is()
    {
        var place = stackalloc ushort[16];
        for (var bits = 0; bits <= ushort.MaxValue; bits++)
        {
            new Span<ushort>(place, 16).Clear();
            place[bits % 16] = (ushort)bits;
            Compare<BFloat16Element>((byte*)place, bits % 16, Math.Abs(BitConverter.UInt32BitsToSingle((uint)bits << 16)));
            Compare<HalfElement>((byte*)place, bits % 16, Math.Abs((double)BitConverter.UInt16BitsToHalf((ushort)bits)));
        }
    }

    private static void Compare<TElement>(byte* numbers, int number, double expected)
        where TElement : struct, IElement
    {
        var lane = TElement.Place(number);
        var (first, second) = TElement.LoadExactly(numbers);
        Assert.Equal(expected, (lane < 8 ? first : second)[lane % 8]);
        Assert.Equal(expected, TElement.Magnitude(numbers + (number * TElement.Bytes)));

        // What the fast way gets wrong is not below the ceiling.
        (first, second) = TElement.Load(numbers);
        var fast = (lane < 8 ? first : second)[lane % 8] * TElement.Scale;
        if (expected < TElement.Ceiling)
            Assert.Equal(expected, fast);
        else
            Assert.False(fast < TElement.Ceiling);
    }
}
