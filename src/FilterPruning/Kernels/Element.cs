using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FilterPruning.Kernels;

/// <summary>
/// How sixteen numbers of one type become sixteen magnitudes in single precision, exactly. Sixteen is what a pair of 256-bit vectors holds: wide enough for every cache level of today's
/// processors, and present wherever there is AVX2. Elsewhere the runtime splits each vector in two.
/// </summary>
internal unsafe interface IElement
{
    /// <summary>Bytes of one number.</summary>
    static abstract int Bytes { get; }

    /// <summary>What loaded magnitudes still have to be multiplied by; 1 where they are ready. A power of two.</summary>
    static abstract float Scale { get; }

    /// <summary>Infinity and NaN are loaded as finite numbers not below this one; positive infinity where they are loaded as they are.</summary>
    static abstract double Ceiling { get; }

    /// <summary>Whether number i lands in lane i.</summary>
    static abstract bool IsInOrder { get; }

    /// <summary>The magnitudes of the sixteen numbers at <paramref name="p"/>, over <see cref="Scale"/>; no alignment is asked for. Where number i lands, <see cref="Place"/> says.</summary>
    static abstract (Vector256<float> First, Vector256<float> Second) Load(byte* p);

    /// <summary>The same for thirty-two numbers, in an order of its own.</summary>
    static abstract (Vector512<float> First, Vector512<float> Second) LoadWide(byte* p);

    /// <summary>The magnitudes themselves, infinity and NaN included; slower.</summary>
    static abstract (Vector256<float> First, Vector256<float> Second) LoadExactly(byte* p);

    /// <summary>The lane of number 0 … 15: 0 … 7 in the first vector, 8 … 15 in the second.</summary>
    static abstract int Place(int number);

    /// <summary>The magnitude of one number; the reference.</summary>
    static abstract double Magnitude(byte* p);
}

/// <summary>float32: the sign is cleared.</summary>
internal readonly unsafe struct SingleElement : IElement
{
    public static int Bytes => 4;

    public static float Scale => 1;

    public static double Ceiling => double.PositiveInfinity;

    public static bool IsInOrder => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> First, Vector256<float> Second) Load(byte* p) => (Vector256.Abs(Vector256.Load((float*)p)), Vector256.Abs(Vector256.Load((float*)p + 8)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> First, Vector512<float> Second) LoadWide(byte* p) => (Vector512.Abs(Vector512.Load((float*)p)), Vector512.Abs(Vector512.Load((float*)p + 16)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> First, Vector256<float> Second) LoadExactly(byte* p) => Load(p);

    public static int Place(int number) => number;

    public static double Magnitude(byte* p) => Math.Abs(*(float*)p);
}

/// <summary>bfloat16: the upper half of a float32, so a shift to the left is all there is to do. Even numbers land in the first vector, odd ones in the second.</summary>
internal readonly unsafe struct BFloat16Element : IElement
{
    public static int Bytes => 2;

    public static float Scale => 1;

    public static double Ceiling => double.PositiveInfinity;

    public static bool IsInOrder => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> First, Vector256<float> Second) Load(byte* p)
    {
        var magnitude = Vector256.Create(0x7FFF0000u);
        var pairs = Vector256.Load((uint*)p);  // the odd number of each pair lies in the upper half
        return (((pairs << 16) & magnitude).AsSingle(), (pairs & magnitude).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> First, Vector512<float> Second) LoadWide(byte* p)
    {
        var magnitude = Vector512.Create(0x7FFF0000u);
        var pairs = Vector512.Load((uint*)p);
        return (((pairs << 16) & magnitude).AsSingle(), (pairs & magnitude).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> First, Vector256<float> Second) LoadExactly(byte* p) => Load(p);

    public static int Place(int number) => (number >> 1) + (8 * (number & 1));

    public static double Magnitude(byte* p) => BitConverter.UInt32BitsToSingle((*(ushort*)p & 0x7FFFu) << 16);
}

/// <summary>
/// IEEE half precision. .NET has no intrinsic for the processor's conversion, but exponent and mantissa only have to move by 13 bits: the float32 with these bits is the
/// magnitude over 2¹¹², for subnormal numbers as well. Only infinity and NaN come out as finite numbers, from 2¹⁶ on, which a sum cannot hide: one that is smaller had none.
/// Even numbers land in the first vector, odd ones in the second.
/// </summary>
/// <remarks>Half's subnormal numbers (below 6.1e-5) pass through subnormal floats: a thread that was told to flush those to zero flushes them too.</remarks>
internal readonly unsafe struct HalfElement : IElement
{
    public static int Bytes => 2;

    public static float Scale => 5.192296858534828e33f;  // 2¹¹²: the distance of the exponents' biases

    public static double Ceiling => 65536;

    public static bool IsInOrder => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> First, Vector256<float> Second) Load(byte* p)
    {
        var moved = Vector256.Create(0x0FFFE000u);
        var pairs = Vector256.Load((uint*)p);
        return (((pairs << 13) & moved).AsSingle(), ((pairs >>> 3) & moved).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> First, Vector512<float> Second) LoadWide(byte* p)
    {
        var moved = Vector512.Create(0x0FFFE000u);
        var pairs = Vector512.Load((uint*)p);
        return (((pairs << 13) & moved).AsSingle(), ((pairs >>> 3) & moved).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> First, Vector256<float> Second) LoadExactly(byte* p)
    {
        var (first, second) = Load(p);
        return (WithInfinity(first), WithInfinity(second));
    }

    public static int Place(int number) => (number >> 1) + (8 * (number & 1));

    public static double Magnitude(byte* p) => Math.Abs((double)*(Half*)p);

    // Where half's exponent is full, float's has to be.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> WithInfinity(Vector256<float> moved)
    {
        var isFull = Vector256.GreaterThan(moved.AsInt32(), Vector256.Create(0x0F7FFFFF));
        return ((moved * Scale).AsInt32() | (isFull & Vector256.Create(0x7F800000))).AsSingle();
    }
}
