using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Zoo;

/// <summary>
/// Tracing a cut model must give the groups of the model before the cut, without the removed ones and with the channels numbered anew; what was pinned stays
/// pinned, what was free stays free.
/// </summary>
/// <remarks>
/// Some things may differ, and rightly:
/// <list type="bullet">
/// <item>Among channels that stay in both graphs, ties say nothing, for nothing of them can go. Whether what cannot be told apart is pinned one by one or as one group depends on the width.</item>
/// <item>A group that has come to hold a whole side of a layer cannot be removed any more. It is pinned now, if only for that, and since nothing could be
/// removed from it in any case, it may also fall into several groups that are all pinned: two halves of one channel each are dealt out in the order they have,
/// and a single attention head is tied to nothing.</item>
/// <item>A grouped layer with one channel left in each block is a depthwise one: its blocks are no longer tied to each other, and both of its sides are one unit. Its groups
/// may fall into several, those of its two sides may be joined, and some may be free where all were pinned for one of them.</item>
/// <item>A parameter or buffer of no layer with one channel left is a mere number.</item>
/// <item>A depthwise layer with one channel left is a plain one: its two sides are two units now.</item>
/// <item>A parameter or buffer that was read mixed (a bias for each attention head) may show channels of its own once each head has a single channel left; it is not looked at.</item>
/// <item>With two channels left on some side, a pattern of steps and halves cannot be told from any other: such a group may be pinned because the code counts, where it was free.</item>
/// </list>
/// </remarks>
internal sealed class RegroupCheck
{
    private readonly DependencyGraph _before;
    private readonly DependencyGraph _after;
    private readonly HashSet<string> _changedLayers;
    private readonly Dictionary<(string Layer, ChannelAxis Axis), int> _width;

    // The channels whose groups touched a layer that maps otherwise now.
    private HashSet<ChannelMember> _joined = [];

    // Parameters that have become mere numbers, or that show channels only now.
    private readonly HashSet<string> _scalars = [];

    // The channels that cannot go: pinned, or of a group that has come to hold a whole side.
    private HashSet<ChannelMember> _stayed = [];

    private RegroupCheck(DependencyGraph before, PruningPlan plan, DependencyGraph after)
    {
        (_before, _after) = (before, after);
        var mapping = before.Layers.ToDictionary(layer => layer.Name, layer => layer.Mapping);
        foreach (var layer in after.Layers)
        {
            if (!mapping.ContainsKey(layer.Name) && layer.Kind.Split(':')[0] is "Parameter" or "Buffer") _scalars.Add(layer.Name);
            else ZooFailureException.Unless(mapping.ContainsKey(layer.Name), $"layer '{layer.Name}' is called now and was not before");
        }

        var present = after.Layers.Select(layer => layer.Name).ToHashSet();
        foreach (var layer in before.Layers)
        {
            if (present.Contains(layer.Name)) continue;
            ZooFailureException.Unless(IsNumber(layer, plan), $"layer '{layer.Name}' is not called any more");
            _scalars.Add(layer.Name);
        }

        _changedLayers = [.. after.Layers.Where(layer => mapping.TryGetValue(layer.Name, out var known) && layer.Mapping != known).Select(layer => layer.Name)];
        _width = after.Groups.SelectMany(group => group.Members).GroupBy(member => (member.Layer, member.Axis)).ToDictionary(side => side.Key, side => side.Count());
    }

    /// <summary>Compares.</summary>
    /// <param name="before">The graph before the cut.</param>
    /// <param name="plan">What was cut.</param>
    /// <param name="after">The graph of the cut model.</param>
    public static void Run(DependencyGraph before, PruningPlan plan, DependencyGraph after) => new RegroupCheck(before, plan, after).Compare(RemovedGroups(before, plan));

    /// <summary>The groups that a plan removes, from the channels it lists.</summary>
    public static HashSet<int> RemovedGroups(DependencyGraph graph, PruningPlan plan)
    {
        var listed = plan.Layers.SelectMany(layer => layer.RemovedInputs.Select(channel => new ChannelMember(layer.Name, ChannelAxis.Input, channel))
            .Concat(layer.RemovedOutputs.Select(channel => new ChannelMember(layer.Name, ChannelAxis.Output, channel)))).ToHashSet();
        var removed = graph.Groups.Where(group => group.Members.Any(listed.Contains)).Select(group => group.Index).ToHashSet();
        foreach (var member in removed.SelectMany(index => graph.Groups[index].Members))
            ZooFailureException.Unless(plan.Find(member.Layer) is null || listed.Contains(member), $"the plan removes a group but not its member {member.Layer} {member.Axis} {member.Channel}");
        return removed;
    }

    private void Compare(HashSet<int> removed)
    {
        var renumber = Renumbering(removed);
        var groupOf = _after.Groups.SelectMany(group => group.Members.Select(member => (member, group))).ToDictionary(pair => pair.member, pair => pair.group);
        var seen = 0;
        var left = _before.Groups.Where(group => !removed.Contains(group.Index)).ToList();
        _stayed = left.Where(group => group.Pin is not null || IsWhole(group)).SelectMany(group => group.Members).Select(member => member with { Channel = renumber[member] }).ToHashSet();
        _joined = left.Where(group => group.Members.Any(member => _changedLayers.Contains(member.Layer))).SelectMany(group => group.Members)
            .Select(member => member with { Channel = renumber[member] }).ToHashSet();
        foreach (var group in left)
        {
            var expected = group.Members.Select(member => member with { Channel = renumber[member] }).Where(Counts).ToHashSet();
            seen += expected.Count;
            var parts = new HashSet<ChannelGroup>();
            foreach (var member in expected)
            {
                ZooFailureException.Unless(groupOf.TryGetValue(member, out var part), $"{Text(member)} is in no group now");
                parts.Add(part!);
            }

            CompareGroup(group, expected, parts);
        }

        var now = _after.Groups.Sum(group => group.Members.Count(Counts));
        ZooFailureException.Unless(seen == now, $"{now} channels are in groups now, where {seen} should have been left");
    }

    private void CompareGroup(ChannelGroup old, HashSet<ChannelMember> expected, HashSet<ChannelGroup> parts)
    {
        if (expected.Count == 0) return;
        var first = expected.First();
        var pinned = parts.Where(part => part.Pin is not null).ToList();
        var whole = IsWhole(old);
        if ((old.Pin is not null || whole) && pinned.Count == parts.Count && parts.SelectMany(part => part.Members).Where(Counts).All(_stayed.Contains)) return;
        var changed = _joined.Contains(first);
        foreach (var stranger in parts.SelectMany(part => part.Members).Where(Counts).Where(member => !expected.Contains(member) && !(changed && _joined.Contains(member))))
            throw new ZooFailureException($"{Text(stranger)} is tied to {Text(first)} now and was not before");
        if (changed && (whole || old.Pin is not null || pinned.TrueForAll(part => part.Pin!.Reason == PinReason.WholeLayer))) return;
        if (old.Pin is null && pinned.Count > 0 && pinned.TrueForAll(part => part.Pin!.Reason == PinReason.FixedByCode) && expected.Any(member => _width[(member.Layer, member.Axis)] <= 2)) return;
        if (old.Pin is null && pinned.Count > 0)
            throw new ZooFailureException($"{Text(first)} was free and is pinned now: {pinned[0].Pin!.Reason}, {pinned[0].Pin!.Evidence}");
        if (parts.Count > 1)
        {
            var other = parts.Skip(1).First().Members.First(Counts);
            throw new ZooFailureException($"{Text(first)} was tied to {Text(other)} and is not any more");
        }

        if (old.Pin is not null && pinned.Count == 0)
            throw new ZooFailureException($"{Text(first)} was pinned ({old.Pin.Reason}, {old.Pin.Evidence}) and is free now");
    }

    // The sides of a layer whose mapping changed are the same unit in one graph and two in the other.
    private bool Counts(ChannelMember member) => !_scalars.Contains(member.Layer) && (member.Axis == ChannelAxis.Output || !_changedLayers.Contains(member.Layer));

    // Whether a group of the graph before the cut holds all that is left of a side of a layer.
    private bool IsWhole(ChannelGroup group) =>
        group.Members.Where(Counts).GroupBy(member => (member.Layer, member.Axis)).Any(side => side.Count() == _width.GetValueOrDefault(side.Key));

    private static bool IsNumber(TracedLayer layer, PruningPlan plan) =>
        (layer.Kind.StartsWith("Parameter", StringComparison.Ordinal) || layer.Kind.StartsWith("Buffer", StringComparison.Ordinal)) && plan.Find(layer.Name) is { } planned && planned.KeptOutputs == 1;

    private Dictionary<ChannelMember, int> Renumbering(HashSet<int> removed)
    {
        var numbers = new Dictionary<ChannelMember, int>();
        foreach (var side in _before.Groups.Where(group => !removed.Contains(group.Index)).SelectMany(group => group.Members).GroupBy(member => (member.Layer, member.Axis)))
        {
            var next = 0;
            foreach (var member in side.OrderBy(member => member.Channel)) numbers[member] = next++;
        }

        return numbers;
    }

    private static string Text(ChannelMember member) => $"{member.Axis.ToString().ToLowerInvariant()} channel {member.Channel} of '{member.Layer}' (numbered after the cut)";
}
