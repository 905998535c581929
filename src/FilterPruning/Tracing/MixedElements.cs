namespace FilterPruning.Tracing;

/// <summary>
/// Resolves which channels the elements reach that the coded probe could not tell, because each reaches several.
/// </summary>
/// <remarks>
/// <para>First, sparse cotangents: with few places left, most elements see at most one channel, and the code names it. Channels that were
/// seen from one unit form a class. Then one dense coded probe on the classes proves, element by element, that nothing outside the class is reached.</para>
/// <para>What still fails is settled by masks: a cotangent that is zero outside a set of channels gives exactly zero to an element that reaches none of
/// them. A mask for each class tells exactly. Where classes are many, two masks for each bit of the class number give a superset of the classes an element reaches,
/// which is enough to be safe.</para>
/// </remarks>
internal sealed class MixedElements(ChannelProbe probe, IReadOnlyList<MixedElements.Item> items)
{
    // An element that reaches n elements sees about n times the share of them: some share suits every n from 1 to some thousands.
    private static readonly double[] _shares = [0.125, 0.015, 0.001];

    private const int Attempts = 3;

    // Up to so many classes, each gets a mask of its own.
    private const int MostMasks = 2048;

    private readonly ProbeSource[] _sources = items.Select(item => item.Source).ToArray();
    private readonly SortedDictionary<int, SortedSet<int>>[] _seen = items.Select(_ => new SortedDictionary<int, SortedSet<int>>()).ToArray();

    /// <summary>The unresolved elements of one source.</summary>
    /// <param name="Result">Where the source's result is in the list of results.</param>
    /// <param name="Source">The source.</param>
    /// <param name="Plain">Its gradients for the dense cotangent. [units, elements]</param>
    /// <param name="Unresolved">Which of them are unresolved. Bool, the same shape</param>
    public sealed record Item(int Result, ProbeSource Source, Tensor Plain, Tensor Unresolved);

    /// <summary>Completes the results.</summary>
    public void Resolve(List<Reach> results)
    {
        for (var attempt = 1; attempt <= Attempts; attempt++)
        {
            foreach (var share in _shares) LookSparsely(share);
            var (classOf, classes) = Classes();
            var open = UnprovedElements(classOf, classes, out var proved);
            if (attempt < Attempts && open.Any(elements => elements is not null)) continue;
            foreach (var (item, unit, number) in proved) AddClass(item, unit, number, classOf);
            if (open.Any(elements => elements is not null)) AddOpenClasses(open, classOf, classes);
            break;
        }
        for (var i = 0; i < items.Count; i++)
        {
            var result = results[items[i].Result];
            // One channel is no mixture: rounding alone (sums that nearly cancel, half precision) had hidden it.
            var single = _seen[i].Where(pair => pair.Value.Count == 1).Select(pair => (pair.Key, pair.Value.Min));
            var several = _seen[i].Where(pair => pair.Value.Count > 1).Select(pair => (pair.Key, pair.Value.ToArray()));
            results[items[i].Result] = result with { Exact = result.Exact.Union(single).ToList(), Mixed = several.ToList() };
        }
    }

    private void LookSparsely(double share)
    {
        using var scope = NewDisposeScope();
        var cotangent = probe.Sparse(share);
        var plain = probe.Pull(_sources.Select(s => s.Leaf).ToArray(), cotangent).Select((gradient, i) => _sources[i].Rows(gradient!)).ToList();
        var read = ChannelProbe.Confirmed(probe.Read(_sources, plain, cotangent, probe.EachChannel()), probe.Read(_sources, plain, cotangent, probe.EachChannel()));
        for (var i = 0; i < items.Count; i++)
        {
            // Only elements in question: others of the unit may be exact elsewhere.
            var telling = ChannelProbe.Live(plain[i]).logical_and(read[i].Single).logical_and(items[i].Unresolved);
            foreach (var (unit, channel) in ChannelProbe.Pairs(read[i].Label, telling, probe.Channels)) Seen(i, unit).Add(channel);
        }
    }

    private SortedSet<int> Seen(int item, int unit) => _seen[item].TryGetValue(unit, out var set) ? set : _seen[item][unit] = [];

    // Channels seen from one unit belong to one class; a channel never seen is a class of its own.
    private (int[] ClassOf, int Count) Classes()
    {
        var union = new UnionFind(probe.Channels);
        foreach (var channels in _seen.SelectMany(units => units.Values))
            foreach (var channel in channels) union.Union(channels.Min, channel);
        var numbers = new Dictionary<int, int>();
        var classOf = new int[probe.Channels];
        for (var channel = 0; channel < classOf.Length; channel++)
        {
            var root = union.Find(channel);
            if (!numbers.TryGetValue(root, out var number)) numbers[root] = number = numbers.Count;
            classOf[channel] = number;
        }
        return (classOf, numbers.Count);
    }

    /// <summary>The units whose elements reach one class alone, and for each item the elements that do not; null for none.</summary>
    private Tensor?[] UnprovedElements(int[] classOf, int classes, out List<(int Item, int Unit, int Class)> proved)
    {
        var open = new Tensor?[items.Count];
        proved = [];
        var read = classes == 1 ? null : ChannelProbe.Confirmed(ReadClasses(), ReadClasses());
        for (var i = 0; i < items.Count; i++)
        {
            var item = items[i];
            var label = read?[i].Label ?? zeros_like(item.Plain, dtype: int64);
            var settled = read is null ? item.Unresolved : item.Unresolved.logical_and(read[i].Single);
            foreach (var (unit, number) in ChannelProbe.Pairs(label, settled, classes)) proved.Add((i, unit, number));
            var rest = item.Unresolved.logical_and(settled.logical_not());
            open[i] = rest.any().item<bool>() ? rest : null;
        }
        return open;

        List<(Tensor Label, Tensor Single)> ReadClasses() => probe.Read(_sources, items.Select(item => item.Plain).ToList(), probe.Dense, new ChannelCode(classOf, classes, probe.Deal));
    }

    private ILookup<int, int>? _channelsOf;

    // A unit already known to reach the class is tied to it; only one that sparse looks missed needs all of its channels.
    private void AddClass(int item, int unit, int number, int[] classOf)
    {
        // Called for every unit and class: it must not walk all channels.
        _channelsOf ??= Enumerable.Range(0, classOf.Length).ToLookup(channel => classOf[channel]);
        var seen = Seen(item, unit);
        if (!_channelsOf[number].Any(seen.Contains)) seen.UnionWith(_channelsOf[number]);
    }

    private void AddOpenClasses(Tensor?[] open, int[] classOf, int classes)
    {
        var elements = open.Select(mask => mask?.reshape(-1).nonzero().squeeze(1)).ToArray();
        if (classes <= MostMasks) AddClassByClass(elements, classOf, classes);
        else AddByBits(elements, classOf, classes);
    }

    private void AddClassByClass(Tensor?[] elements, int[] classOf, int classes)
    {
        for (var number = 0; number < classes; number++)
        {
            using var scope = NewDisposeScope();
            var touched = Touched(elements, channel => classOf[channel] == number);
            for (var i = 0; i < elements.Length; i++)
                if (elements[i] is { } at)
                    foreach (var unit in UnitsOf(i, at.masked_select(touched[i]!)).ToHashSet()) AddClass(i, (int)unit, number, classOf);
        }
    }

    private void AddByBits(Tensor?[] elements, int[] classOf, int classes)
    {
        var bits = Math.Max(1, 32 - int.LeadingZeroCount(classes - 1));
        var ones = elements.Select(e => e is null ? null : zeros_like(e)).ToArray();
        var none = elements.Select(e => e is null ? null : zeros_like(e)).ToArray();
        for (var bit = 0; bit < bits; bit++)
        {
            Accumulate(ones, bit, channel => (classOf[channel] >> bit & 1) == 1);
            Accumulate(none, bit, channel => (classOf[channel] >> bit & 1) == 0);
        }
        for (var i = 0; i < items.Count; i++)
            if (elements[i] is { } at) AddPatterns(i, at, ones[i]!, none[i]!, (1L << bits) - 1, classOf, classes);

        void Accumulate(Tensor?[] sums, int bit, Func<int, bool> member)
        {
            using var scope = NewDisposeScope();
            var touched = Touched(elements, member);
            for (var i = 0; i < sums.Length; i++) sums[i]?.add_(touched[i]!.to(int64) * (1L << bit));
        }
    }

    /// <summary>For each item, which of the given elements reach any of the given channels; zeros of a mask stay exact zeros.</summary>
    private Tensor?[] Touched(Tensor?[] elements, Func<int, bool> member)
    {
        var mask = Enumerable.Range(0, probe.Channels).Select(channel => member(channel) ? 1f : 0f).ToArray();
        var gradients = probe.Pull(_sources, probe.Dense, mask);
        return elements.Select((at, i) => at is null ? null : _sources[i].Rows(gradients[i]).reshape(-1).index_select(0, at).ne(0)).ToArray();
    }

    private long[] UnitsOf(int item, Tensor elements) => elements.div(items[item].Plain.shape[1], RoundingMode.floor).to(int64).cpu().data<long>().ToArray();

    private void AddPatterns(int item, Tensor elements, Tensor ones, Tensor none, long all, int[] classOf, int classes)
    {
        using var scope = NewDisposeScope();
        var units = UnitsOf(item, elements);
        var (one, zero) = (ones.cpu().data<long>().ToArray(), none.cpu().data<long>().ToArray());
        var patterns = new HashSet<(int Unit, long Value, long Open)>();
        for (var k = 0; k < units.Length; k++)
        {
            // A bit is open when both masks touched the element, or (underflow, cancellation) neither did.
            var open = all & ~(one[k] ^ zero[k]);
            patterns.Add(((int)units[k], one[k] & ~open, open));
        }
        foreach (var (unit, value, open) in patterns)
            for (var number = 0; number < classes; number++)
                if ((number & ~open) == value) AddClass(item, unit, number, classOf);
    }
}
