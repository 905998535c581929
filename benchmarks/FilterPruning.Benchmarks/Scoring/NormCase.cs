namespace FilterPruning.Benchmarks.Scoring;

/// <summary>A weight of one shape, type and layout, and the axis whose norms are asked for.</summary>
public sealed record NormCase(WeightShape Shape, ScalarType Type = ScalarType.Float32, int Axis = 0, bool Strided = false, int Threads = 1)
{
    /// <summary>The variants of the shapes that differ most: a stack of kernels, a matrix beyond the cache, and the stem.</summary>
    public static IReadOnlyList<NormCase> Variants { get; } =
    [
        .. from shape in WeightShape.MaskRcnn.Where(shape => shape.Layer is "head 3x3" or "fc6")
           from variant in new (ScalarType Type, int Axis, bool Strided, int Threads)[]
           {
               (ScalarType.Float32, 1, false, 1), (ScalarType.Float32, 0, true, 1), (ScalarType.Float32, 0, false, 2), (ScalarType.Float32, 1, false, 2),
               (ScalarType.Float16, 0, false, 1), (ScalarType.BFloat16, 0, false, 1),
           }
           select new NormCase(shape, variant.Type, variant.Axis, variant.Strided, variant.Threads),
        new(WeightShape.MaskRcnn[0], Axis: 1),
    ];

    /// <summary>Bytes of one number.</summary>
    public int ElementSize => Type == ScalarType.Float32 ? 4 : 2;

    /// <summary>Every axis but <see cref="Axis"/>.</summary>
    public long[] OtherAxes => [.. Enumerable.Range(0, Shape.Sizes.Length).Where(axis => axis != Axis).Select(axis => (long)axis)];

    /// <summary>Random numbers in that layout. A strided weight is cut out of one that is three input channels wider.</summary>
    public Tensor Make(ulong seed = 0)
    {
        using var scope = NewDisposeScope();
        using var generator = new torch.Generator(seed);
        long[] sizes = [.. Shape.Sizes];
        if (Strided)
            sizes[1] += 3;
        var weight = randn(sizes, generator: generator).to(Type);
        return (Strided ? weight.narrow(1, 2, Shape.Sizes[1]) : weight).MoveToOuterDisposeScope();
    }

    public override string ToString() =>
        $"{Shape.Layer}, {(Type == ScalarType.Float32 ? "float" : Type == ScalarType.Float16 ? "half" : "bfloat16")}, axis {Axis}{(Strided ? ", strided" : "")}, {Threads} thread{(Threads == 1 ? "" : "s")}";
}
