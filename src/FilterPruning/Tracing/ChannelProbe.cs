namespace FilterPruning.Tracing;

/// <summary>
/// Finds which unit of which source reaches which channel of one tensor, by back-propagating a few coded cotangents (see <see cref="ChannelCode"/>).
/// </summary>
/// <remarks>
/// Channels are told apart one by one, with one exception that costs less: where a tensor has K channels for each unit of its sources (flatten),
/// the K belong to one unit if every unit reaches its own block alone; overlapping windows between the two (pooling, RoI align) then do no harm.
/// What cannot be told apart goes to <see cref="MixedElements"/>.
/// </remarks>
internal sealed class ChannelProbe
{
    // A channel seen at so many places shows all that it is connected with; seeing it again under other values only has to show whether anything new has come to life.
    private const int ManyPlaces = 64;

    // Elements below this share of their unit's largest gradient say nothing that a larger one does not say better.
    internal const double FaintShare = 1e-4;

    private readonly Tensor _input;
    private readonly int _axis;
    private readonly Chance _chance;

    private ChannelProbe(Tensor input, int axis, Chance chance)
    {
        (_input, _axis, _chance) = (input, axis, chance);
        Channels = (int)input.shape[axis];
        // The rows of a large tensor share their numbers.
        var shape = input.shape;
        if (axis > 0 && input.numel() >= PortValues.LargeTensor) shape[0] = 1;
        Dense = chance.Weights.Next(shape, input);
    }

    public int Channels { get; }

    public Random Deal => _chance.Codes;

    /// <summary>Random positive weights; broadcast to the tensor's shape.</summary>
    public Tensor Dense { get; }

    /// <summary>Probes one tensor.</summary>
    /// <param name="input">The tensor, with its history.</param>
    /// <param name="axis">Its channel axis.</param>
    /// <param name="sources">The leaves that may reach it.</param>
    /// <param name="chance">Draws the random weights and deals the codes.</param>
    /// <param name="owned">Leaves that belong to layers; what reaches them gathers in their <c>grad</c>.</param>
    /// <param name="known">Says of a source which of its units earlier trials saw reach this tensor; null for none.</param>
    /// <returns>One entry for each source that reaches the tensor; none when it has many places and only known units reach it.</returns>
    /// <exception cref="NotDifferentiableException">Autograd cannot differentiate the code before the tensor.</exception>
    public static IReadOnlyList<Reach> Run(Tensor input, int axis, IReadOnlyList<ProbeSource> sources, Chance chance, IReadOnlyList<Tensor> owned, Func<ProbeSource, Predicate<int>?> known)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var probe = new ChannelProbe(input, axis, chance);
        var first = probe.Pull(sources.Select(s => s.Leaf).ToArray(), probe.Dense, owned);
        var reached = new List<LiveSource>();
        for (var i = 0; i < sources.Count; i++)
            if (first[i] is { } gradient && gradient.numel() > 0) reached.Add(new LiveSource(sources[i], gradient));
        var isSeenWell = probe.Channels > 0 && input.numel() / probe.Channels >= ManyPlaces;
        return reached.Count == 0 || (isSeenWell && reached.TrueForAll(live => IsOld(live, known(live.Source)))) ? [] : probe.Resolve(reached);
    }

    private static bool IsOld(LiveSource live, Predicate<int>? known) =>
        known is not null && live.Source.Axis is { } axis && LabelReader.LiveUnits(live.Gradient, axis) is { } units && units.TrueForAll(known);

    /// <summary>A source that reaches the tensor, with its gradient for the dense cotangent.</summary>
    internal sealed record LiveSource(ProbeSource Source, Tensor Gradient)
    {
        /// <summary>The gradient as rows. [units, elements]</summary>
        public Tensor Plain => Source.Rows(Gradient);
    }

    /// <summary>Gradients of the leaves for a cotangent that broadcasts to the tensor's shape.</summary>
    public Tensor?[] Pull(Tensor[] leaves, Tensor cotangent, IReadOnlyList<Tensor>? besides = null) => Gradients.Of([_input], leaves, [cotangent.expand(_input.shape)], besides);

    /// <summary>Gradients of the sources for a cotangent times a factor per channel.</summary>
    public Tensor[] Pull(IReadOnlyList<ProbeSource> sources, Tensor cotangent, float[] factors)
    {
        var shape = Enumerable.Repeat(1L, (int)_input.dim()).ToArray();
        shape[_axis] = Channels;
        using var factor = tensor(factors).to(_input.dtype).to(_input.device).view(shape);
        using var weighted = cotangent * factor;
        return [.. Pull(sources.Select(s => s.Leaf).ToArray(), weighted).Select(gradient => gradient!)];
    }

    /// <summary>Random positive weights that are zero but at a share of random elements, and at one place for each channel in any case.</summary>
    public Tensor Sparse(double share)
    {
        var places = _input.numel() / Channels;
        var chosen = tensor(Enumerable.Range(0, Channels).Select(channel => (Deal.NextInt64(places) * Channels) + channel).ToArray());
        var kept = rand(_input.numel(), dtype: float32, generator: _chance.Generator).lt(share).index_fill_(0, chosen, true);
        var shape = _input.shape.Where((_, axis) => axis != _axis).Append(Channels).ToArray();
        return Dense * kept.view(shape).movedim([-1], [_axis]).to(_input.dtype).to(_input.device);
    }

    /// <summary>Which elements are large enough to tell anything. [units, elements]</summary>
    public static Tensor Live(Tensor plain)
    {
        var magnitude = plain.abs().nan_to_num(0, 0, 0);
        return magnitude.gt(magnitude.amax([1], keepdim: true).mul(FaintShare)).logical_and(magnitude.gt(0));
    }

    /// <summary>For each row of the code's factors, the gradients of the sources.</summary>
    private List<Tensor[]> PullCoded(IReadOnlyList<ProbeSource> sources, Tensor cotangent, ChannelCode code) => [.. code.Factors().Select(factors => Pull(sources, cotangent, factors))];

    /// <summary>Reads, for each source, the label that each element reaches.</summary>
    public List<(Tensor Label, Tensor Single)> Read(IReadOnlyList<ProbeSource> sources, IReadOnlyList<Tensor> plain, Tensor cotangent, ChannelCode code) =>
        Read(sources, plain, PullCoded(sources, cotangent, code), code);

    private static List<(Tensor Label, Tensor Single)> Read(IReadOnlyList<ProbeSource> sources, IReadOnlyList<Tensor> plain, List<Tensor[]> coded, ChannelCode code) =>
        sources.Select((source, i) => code.Decode(plain[i], coded.Select(gradients => source.Rows(gradients[i])).ToList())).ToList();

    /// <summary>For each source the pairs of a unit and the label it reaches; null where an element reaches more than one, or the source has no known axis.</summary>
    private static HashSet<(int Unit, int Label)>?[] ReadSingle(List<LiveSource> reached, List<Tensor[]> coded, ChannelCode code) =>
        [.. reached.Select((live, i) => live.Source.Axis is { } axis ? LabelReader.Read(live.Gradient, [.. coded.Select(gradients => gradients[i])], axis, code) : null)];

    /// <summary>The distinct (row, label) pairs where the mask holds.</summary>
    public static List<(int Unit, int Label)> Pairs(Tensor label, Tensor mask, int labels)
    {
        using var scope = NewDisposeScope();
        var units = label.shape[0];
        var keys = (arange(units, dtype: int64, device: label.device).unsqueeze(1).mul(labels) + label).masked_select(mask);
        if (keys.numel() == 0) return [];
        Tensor distinct;
        if (units * labels <= 1 << 26)
        {
            var table = zeros(units * labels, dtype: ScalarType.Bool, device: label.device);
            table.index_fill_(0, keys, true);
            distinct = table.nonzero().squeeze(1);
        }
        else distinct = keys.unique().Item1;
        return distinct.cpu().data<long>().Select(key => ((int)(key / labels), (int)(key % labels))).ToList();
    }

    private List<Reach> Resolve(List<LiveSource> reached)
    {
        if (Channels == 1)
            return NonEmpty(reached.Select(live => new Reach(live.Source, Pairs(zeros_like(live.Plain, dtype: int64), Live(live.Plain), 1), [])));
        if (OwnBlocks(reached) is { } blocks) return NonEmpty(blocks);

        var sources = reached.Select(live => live.Source).ToList();
        var code = EachChannel();
        var coded = PullCoded(sources, Dense, code);
        var single = ReadSingle(reached, coded, code);
        if (!single.Contains(null)) return NonEmpty(reached.Select((live, i) => new Reach(live.Source, [.. single[i]!], [])));

        var plain = reached.Select(live => live.Plain).ToList();
        var read = Read(sources, plain, coded, code);
        var results = new List<Reach>();
        var mixed = new List<MixedElements.Item>();
        // Where some elements reach several channels, among many one may look by accident as if it reached one. Not twice under different codes.
        if (reached.Where((live, i) => Live(live.Plain).logical_and(read[i].Single.logical_not()).any().item<bool>()).Any()) read = Confirmed(read, Read(sources, plain, Dense, EachChannel()));
        for (var i = 0; i < reached.Count; i++)
        {
            var live = Live(reached[i].Plain);
            var unresolved = live.logical_and(read[i].Single.logical_not());
            var isMixed = unresolved.any().item<bool>();
            if (sources[i].Axis is null && isMixed)
            {
                (read[i], unresolved) = ReadBits(sources[i], read[i], unresolved);
                isMixed = unresolved.any().item<bool>();
            }
            if (sources[i].Axis is null && !isMixed && FoundAxis(sources[i], read[i].Label, live) is { } found)
            {
                results.Add(found);
                continue;
            }
            results.Add(new Reach(sources[i], Pairs(read[i].Label, live.logical_and(read[i].Single), Channels), []));
            if (isMixed) mixed.Add(new MixedElements.Item(i, sources[i], reached[i].Plain, unresolved));
        }
        if (mixed.Count > 0) new MixedElements(this, mixed).Resolve(results);
        return NonEmpty(results);
    }

    /// <summary>The result if all sources have the same number of units, of which each reaches its own block of K channels and nothing else; otherwise null.</summary>
    private List<Reach>? OwnBlocks(List<LiveSource> reached)
    {
        var units = reached[0].Source.Units;
        if (units < 2 || Channels <= units || Channels % units != 0 || reached.Any(live => live.Source.Units != units)) return null;
        var each = Channels / units;
        var code = new ChannelCode(Enumerable.Range(0, Channels).Select(channel => channel / each).ToArray(), units, Deal);
        var coded = PullCoded(reached.Select(live => live.Source).ToList(), Dense, code);
        var single = ReadSingle(reached, coded, code);
        if (!single.Contains(null))
            return single.Any(pairs => pairs!.Any(pair => pair.Unit != pair.Label)) ? null : [.. reached.Select((live, i) => OwnBlock(live.Source, single[i]!.Select(pair => pair.Unit).Order(), each))];

        var read = Read(reached.Select(live => live.Source).ToList(), reached.Select(live => live.Plain).ToList(), coded, code);
        var own = arange(units, dtype: int64, device: _input.device).unsqueeze(1);
        var results = new List<Reach>();
        for (var i = 0; i < reached.Count; i++)
        {
            var live = Live(reached[i].Plain);
            var fits = read[i].Single.logical_and(read[i].Label.eq(own));
            if (live.logical_and(fits.logical_not()).any().item<bool>()) return null;
            var seen = live.any(1).cpu().data<bool>().ToArray();
            results.Add(OwnBlock(reached[i].Source, Enumerable.Range(0, units).Where(unit => seen[unit]), each));
        }
        return results;
    }

    private static Reach OwnBlock(ProbeSource source, IEnumerable<int> units, int each) =>
        new(source, [.. units.SelectMany(unit => Enumerable.Range(unit * each, each).Select(channel => (unit, channel)))], []);

    /// <summary>
    /// Settles elements whose gradients are sums that nearly cancel (a layer scale adds up over all places), so that rounding hides their code. A cotangent that is zero for all channels but some
    /// still gives exact zeros: for each bit of the channel's number, it is seen with the channels that have it set or with those that have not.
    /// </summary>
    private ((Tensor Label, Tensor Single) Read, Tensor Unresolved) ReadBits(ProbeSource source, (Tensor Label, Tensor Single) read, Tensor unresolved)
    {
        var settled = unresolved;
        var label = zeros_like(read.Label);
        for (var bit = 0; Channels - 1 >> bit > 0; bit++)
        {
            var one = Seen(1, bit);
            settled = settled.logical_and(one.logical_xor(Seen(0, bit)));
            label += one.to(int64) * (1L << bit);
        }
        return ((where(settled, label, read.Label), read.Single.logical_or(settled)), unresolved.logical_and(settled.logical_not()));

        Tensor Seen(int value, int bit) => source.Rows(Pull([source], Dense, Enumerable.Range(0, Channels).Select(channel => (channel >> bit & 1) == value ? 1f : 0f).ToArray())[0]).ne(0);
    }

    /// <summary>Looks for the axis of a leaf along which each position reaches one channel, whatever the other axes say, and no two positions the same.</summary>
    private static Reach? FoundAxis(ProbeSource source, Tensor label, Tensor live)
    {
        var shape = source.Leaf.shape;
        for (var axis = 0; axis < shape.Length; axis++)
        {
            if (shape[axis] < 2) continue;
            using var scope = NewDisposeScope();
            var rows = label.view(shape).movedim([axis], [0]).reshape(shape[axis], -1);
            var seen = live.view(shape).movedim([axis], [0]).reshape(shape[axis], -1);
            var highest = rows.masked_fill(seen.logical_not(), -1).amax([1]);
            var lowest = rows.masked_fill(seen.logical_not(), long.MaxValue).amin([1]);
            var reached = seen.any(1);
            if (reached.logical_and(highest.ne(lowest)).any().item<bool>()) continue;
            var channels = highest.cpu().data<long>().ToArray();
            var pairs = Enumerable.Range(0, channels.Length).Where(unit => channels[unit] >= 0).Select(unit => (unit, (int)channels[unit])).ToList();
            if (pairs.Select(pair => pair.Item2).Distinct().Count() == pairs.Count) return new Reach(source, pairs, []) { FoundAxis = axis };
        }
        return null;
    }

    /// <summary>A code that tells every channel, dealt afresh.</summary>
    public ChannelCode EachChannel() => new(Enumerable.Range(0, Channels).ToArray(), Channels, Deal);

    /// <summary>What two readings say alike.</summary>
    public static List<(Tensor Label, Tensor Single)> Confirmed(IEnumerable<(Tensor Label, Tensor Single)> first, IEnumerable<(Tensor Label, Tensor Single)> second) =>
        first.Zip(second, (one, other) => (one.Label, one.Single.logical_and(other.Single).logical_and(one.Label.eq(other.Label)))).ToList();

    private static List<Reach> NonEmpty(IEnumerable<Reach> results) => results.Where(reach => reach.Exact.Count > 0 || reach.Mixed.Count > 0).ToList();
}
