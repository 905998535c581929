namespace FilterPruning.Tracing;

/// <summary>
/// Gives every label (a channel, or a set of channels) a code of digits in [1, 2], and tells from coded gradients which label an element reaches.
/// </summary>
/// <remarks>
/// <para>If an element reaches channels of one label alone, its gradients <c>g0</c>, <c>g_k</c>, <c>q</c> for the cotangents <c>r</c>, <c>r·c_k</c>,
/// <c>r·Σc_k²</c> satisfy <c>g_k/g0 = c_k</c> and <c>q/g0 = Σc_k²</c>, whatever the local derivatives are. Otherwise each <c>g_k/g0</c> is a
/// weighted mean of codes and <c>q/g0 − Σ(g_k/g0)²</c> the sum of their weighted variances: zero only if every digit is constant. One quadratic
/// cotangent serves all digits.</para>
/// <para><b>Precision.</b> A quotient of float32 sums carries a relative error of a few ε = 6·10⁻⁸, up to about √n·ε for a sum of n terms
/// (n = 10⁴: 6·10⁻⁶). Neighbouring codes of a digit with base B differ by 1/B of a value below 2; B ≤ 256 leaves 2·10⁻³, and the tolerance of
/// 0.02 of a step is 4·10⁻⁵: far above the error and far below a step. More than 256 labels get two digits (12,544 = 112²), or three. A mixture either
/// falls between two steps or, where its mean hits a step, has a variance of at least 1/B² = 1.5·10⁻⁵; the tolerance of 1.2·10⁻⁵ is five times the rounding of a
/// plain copy. Rounding that exceeds it (long sums that nearly cancel) costs a second look, never a tie. Codes are dealt at random, afresh for each probe, so that
/// nothing hides behind the same accident twice.</para>
/// </remarks>
internal sealed class ChannelCode
{
    private const int LargestBase = 256;
    internal const double StepTolerance = 0.02;
    internal const double VarianceTolerance = 1.2e-5;

    private readonly int[] _labelOfChannel;
    private readonly int[] _codeOfLabel;
    private readonly int[] _labelOfCode;

    /// <param name="labelOfChannel">The label of each channel.</param>
    /// <param name="labels">The number of labels.</param>
    /// <param name="deal">Deals the codes.</param>
    public ChannelCode(int[] labelOfChannel, int labels, Random deal)
    {
        _labelOfChannel = labelOfChannel;
        _codeOfLabel = Enumerable.Range(0, labels).ToArray();
        deal.Shuffle(_codeOfLabel);
        _labelOfCode = new int[labels];
        for (var label = 0; label < labels; label++) _labelOfCode[_codeOfLabel[label]] = label;
        Digits = 1;
        while (Math.Pow(LargestBase, Digits) < labels) Digits++;
        Base = 1;
        while (Math.Pow(Base, Digits) < labels) Base++;
    }

    public int Digits { get; }

    /// <summary>The number of values a digit takes.</summary>
    public int Base { get; }

    /// <summary>The label with a code; null for a code that was not dealt.</summary>
    public int? LabelOf(long code) => code < _labelOfCode.Length ? _labelOfCode[code] : null;

    /// <summary>The code of a label.</summary>
    public int CodeOf(int label) => _codeOfLabel[label];

    /// <summary>The factor of each channel: one row a digit, and last the sum of their squares.</summary>
    public float[][] Factors()
    {
        var squares = new float[_labelOfChannel.Length];
        var factors = new List<float[]>();
        for (var (digit, place) = (0, 1); digit < Digits; digit++, place *= Base)
        {
            var values = new float[_labelOfChannel.Length];
            for (var channel = 0; channel < values.Length; channel++)
            {
                values[channel] = 1 + (_codeOfLabel[_labelOfChannel[channel]] / place % Base / (float)Base);
                squares[channel] += values[channel] * values[channel];
            }
            factors.Add(values);
        }
        return [.. factors, squares];
    }

    /// <summary>Reads labels from gradients.</summary>
    /// <param name="plain">Gradients for the plain cotangent, any shape.</param>
    /// <param name="coded">Gradients for each row of <see cref="Factors"/>, of the same shape.</param>
    /// <returns>int64 labels, and whether the element reaches that label alone; both of the same shape. Where <paramref name="plain"/> is zero they mean nothing.</returns>
    public (Tensor Label, Tensor Single) Decode(Tensor plain, IReadOnlyList<Tensor> coded)
    {
        var single = ones_like(plain, dtype: ScalarType.Bool);
        var code = zeros_like(plain, dtype: int64);
        var squares = zeros_like(plain);
        for (var (digit, place) = (0, 1L); digit < Digits; digit++, place *= Base)
        {
            var value = coded[digit] / plain;
            var position = (value - 1).mul_(Base);
            var step = position.round();
            // Comparisons with NaN are false: an element that overflowed is not single.
            single = single.logical_and((position - step).abs().lt(StepTolerance)).logical_and(step.ge(0)).logical_and(step.lt(Base));
            code += step.nan_to_num(0, 0, 0).clamp(0, Base - 1).to(int64) * place;
            squares += value * value;
        }
        var variance = (coded[Digits] / plain) - squares;
        single = single.logical_and(variance.abs().lt(VarianceTolerance)).logical_and(code.lt(_labelOfCode.Length));
        var table = tensor(_labelOfCode.Select(label => (long)label).ToArray()).to(plain.device);
        return (table.index_select(0, code.clamp(0, _labelOfCode.Length - 1).reshape(-1)).reshape(code.shape), single);
    }
}
