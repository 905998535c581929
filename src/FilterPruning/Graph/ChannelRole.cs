using System.Globalization;

namespace FilterPruning.Graph;

/// <summary>One side of a layer within a role.</summary>
/// <param name="Layer">The layer's path.</param>
/// <param name="Axis">The side.</param>
/// <param name="Channels">How many of that side's channels each group of the role holds: 1, or more where one channel feeds several (49 after a 7 × 7 flatten).</param>
public readonly record struct RoleSide(string Layer, ChannelAxis Axis, int Channels);

/// <summary>All groups with the same signature: the same sides of the same layers, with the same multiplicities, kept for the same reason or free. What a person calls "these 256 channels".</summary>
public sealed class ChannelRole
{
    private const int NamesShown = 4;

    private ChannelRole(IReadOnlyList<RoleSide> sides, PinReason? pin, IReadOnlyList<int> groups) => (Sides, Pin, Groups) = (sides, pin, groups);

    /// <summary>The number of groups.</summary>
    public int Count => Groups.Count;

    /// <summary>Indices into <see cref="DependencyGraph.Groups"/>, ascending.</summary>
    public IReadOnlyList<int> Groups { get; }

    /// <summary>The sides that every group of the role touches, in data order.</summary>
    public IReadOnlyList<RoleSide> Sides { get; }

    /// <summary>Why the groups must stay, or null when they may be removed.</summary>
    public PinReason? Pin { get; }

    /// <summary>A line for people: who makes these channels and who reads them. Norms and other channel-wise layers count as makers.</summary>
    public string Description
    {
        get
        {
            var makers = Names(ChannelAxis.Output);
            var readers = Names(ChannelAxis.Input);
            var text = (makers.Count, readers.Count) switch
            {
                (0, _) => $"read by {Join(readers)}",
                (_, 0) => $"made by {Join(makers)}",
                _ => $"made by {Join(makers)}; read by {Join(readers)}",
            };
            return Pin is { } reason ? $"{text} (stays: {reason})" : text;
        }
    }

    /// <summary>The roles of some groups, in the order of their first groups.</summary>
    internal static IReadOnlyList<ChannelRole> Of(IReadOnlyList<ChannelGroup> groups)
    {
        var byHash = new Dictionary<int, List<ChannelRole>>();
        var roles = new List<ChannelRole>();
        foreach (var group in groups)
        {
            var sides = SidesOf(group);
            var hash = new HashCode();
            hash.Add(group.Pin?.Reason);
            foreach (var side in sides) hash.Add(side);
            if (!byHash.TryGetValue(hash.ToHashCode(), out var alike)) byHash[hash.ToHashCode()] = alike = [];
            var role = alike.Find(known => known.Pin == group.Pin?.Reason && known.Sides.SequenceEqual(sides));
            if (role is null)
            {
                role = new ChannelRole(sides, group.Pin?.Reason, new List<int>());
                alike.Add(role);
                roles.Add(role);
            }
            ((List<int>)role.Groups).Add(group.Index);
        }
        return roles;
    }

    private static List<RoleSide> SidesOf(ChannelGroup group)
    {
        var sides = new List<RoleSide>();
        foreach (var member in group.Members)
        {
            // Members of one side mostly follow one another.
            var at = sides.Count > 0 && IsOf(sides[^1], member) ? sides.Count - 1 : sides.FindIndex(side => IsOf(side, member));
            if (at < 0) sides.Add(new RoleSide(member.Layer, member.Axis, 1));
            else sides[at] = sides[at] with { Channels = sides[at].Channels + 1 };
        }
        return sides;
    }

    private static bool IsOf(RoleSide side, ChannelMember member) => side.Axis == member.Axis && side.Layer == member.Layer;

    private List<string> Names(ChannelAxis axis) => Sides.Where(side => side.Axis == axis)
        .Select(side => side.Channels == 1 ? side.Layer : string.Create(CultureInfo.InvariantCulture, $"{side.Layer} ({side.Channels} each)")).ToList();

    private static string Join(List<string> names) =>
        names.Count <= NamesShown + 1 ? string.Join(", ", names) : $"{string.Join(", ", names.Take(NamesShown))} and {names.Count - NamesShown} more";
}
