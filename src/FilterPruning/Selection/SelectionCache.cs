using System.Runtime.CompilerServices;
using FilterPruning.Criteria;
using FilterPruning.Recovery;

namespace FilterPruning.Selection;

/// <summary>What was found out from a calibration sample and holds for every plan made from it, whatever its target: numbers alone, no tensors.</summary>
internal sealed class SelectionCache
{
    private static readonly ConditionalWeakTable<CalibrationSample, SelectionCache> Known = [];

    private readonly Dictionary<int, OutputSensitivity?> _sensitivities = [];
    private readonly Dictionary<string, SelectionOrder?> _orders = new(StringComparer.Ordinal);

    /// <summary>The cache of a sample.</summary>
    public static SelectionCache Of(CalibrationSample sample) => Known.GetValue(sample, _ => new SelectionCache());

    /// <summary>How much the answers feel each output; null where nobody wants to know or it cannot be said.</summary>
    public OutputSensitivity? Sensitivity(CalibrationSample sample, int inputs, CancellationToken cancellation)
    {
        if (inputs == 0)
            return null;
        if (!_sensitivities.TryGetValue(inputs, out var known))
            _sensitivities.Add(inputs, known = OutputSensitivity.Measure(sample, inputs, seed: 0, cancellation));
        return known;
    }

    /// <summary>The order of a role, found by the given function the first time.</summary>
    public SelectionOrder? Order(ReconstructionCriterion criterion, int[] groups, bool[] stays, Func<SelectionOrder?> find)
    {
        var key = FormattableString.Invariant($"{criterion.Noise:R}|{criterion.SensitivityInputs}|{string.Join(',', groups)}|{string.Concat(stays.Select(stay => stay ? '1' : '0'))}");
        if (!_orders.TryGetValue(key, out var known))
            _orders.Add(key, known = find());
        return known;
    }
}
