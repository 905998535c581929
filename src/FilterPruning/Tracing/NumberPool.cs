using FilterPruning.Storage;

namespace FilterPruning.Tracing;

/// <summary>
/// Random numbers that are drawn once and handed out again and again, each time from another place. A trace fills hundreds of tensors with noise; drawing each number afresh cost more than
/// differentiating with it, and nothing asks for more than that neighbours differ.
/// </summary>
internal sealed class NumberPool
{
    // A prime, so that rows of a large tensor that come round to the same numbers begin at other places of it.
    private const int Count = (1 << 19) - 1;

    // The golden section of the pool: places far from all earlier ones.
    private const long Step = 324_027;

    private readonly float[] _numbers;
    private long _place;

    private NumberPool(float[] numbers) => _numbers = numbers;

    /// <summary>Normal numbers.</summary>
    public static NumberPool Normal(Generator generator, double mean, double deviation)
    {
        using var numbers = randn(Count, dtype: float32, generator: generator);
        return new NumberPool(Scaled(numbers.data<float>().ToArray(), deviation, mean));
    }

    /// <summary>Positive weights, evenly spread between 0.5 and 1.5.</summary>
    public static NumberPool Weights(Generator generator)
    {
        using var numbers = rand(Count, dtype: float32, generator: generator);
        return new NumberPool(Scaled(numbers.data<float>().ToArray(), 1, 0.5));
    }

    /// <summary>The same numbers with another spread around their mean.</summary>
    public NumberPool Calmed(double mean, double share) => new(Scaled((float[])_numbers.Clone(), share, mean * (1 - share)));

    /// <summary>The next numbers, with the dtype and device of another tensor; in the caller's scope.</summary>
    public Tensor Next(long[] shape, Tensor like)
    {
        _place = (_place + Step) % Count;
        return From(_place, shape, like);
    }

    /// <summary>The numbers that belong to an index: the same each time.</summary>
    public Tensor At(long index, long[] shape, Tensor like) => From((index + 1) * Step % Count, shape, like);

    private static float[] Scaled(float[] numbers, double factor, double shift)
    {
        for (var i = 0; i < numbers.Length; i++) numbers[i] = (numbers[i] * (float)factor) + (float)shift;
        return numbers;
    }

    private unsafe Tensor From(long place, long[] shape, Tensor like)
    {
        var numbers = empty(shape, dtype: float32);
        var left = numbers.numel();
        var target = (float*)TensorMemory.Pointer(numbers);
        while (left > 0)
        {
            var length = (int)Math.Min(left, Count - place);
            _numbers.AsSpan((int)place, length).CopyTo(new Span<float>(target, length));
            target += length;
            (left, place) = (left - length, 0);
        }

        if (like.dtype == float32 && like.device_type == DeviceType.CPU) return numbers;
        using (numbers) return numbers.to(like.dtype).to(like.device);
    }
}
