using System.Globalization;
using System.Text;
using FilterPruning.Layers;
using FilterPruning.Storage;

namespace FilterPruning.Graph;

public sealed partial class DependencyGraph
{
    private const int NamesShown = 6;

    /// <summary>A paragraph about one layer: what it is, whom it feeds, which of its output channels may go, what goes with them, and why the others stay.</summary>
    /// <param name="layerName">The layer's path, as in <see cref="TracedLayer.Name"/>.</param>
    /// <exception cref="ArgumentException">No layer of that name was traced; the message suggests the nearest one.</exception>
    public string Explain(string layerName)
    {
        ArgumentNullException.ThrowIfNull(layerName);
        var layer = Layers.FirstOrDefault(candidate => candidate.Name == layerName)
            ?? throw new ArgumentException(
                $"No layer '{layerName}' was traced.{NearMiss.Hint(layerName, Layers.Select(known => known.Name))} The {Layers.Count} traced layers are listed in Layers.", nameof(layerName));
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{layer.Name} is a {layer.Kind} layer with {Channels(layer.InputChannels, "input")} and {Channels(layer.OutputChannels, "output")}");
        text.Append(layer.Calls.Count switch { 0 => ".", 1 => ", called once.", var n => string.Create(CultureInfo.InvariantCulture, $", called {n} times.") });
        ExplainNeighbours(text, layer);
        var groups = layer.OutputGroups.Distinct().Select(index => Groups[index]).ToList();
        ExplainFree(text, layer, groups.Where(group => group.Pin is null).ToList());
        ExplainPinned(text, layer, groups.Where(group => group.Pin is not null).ToList());
        return text.ToString();
    }

    private void ExplainNeighbours(StringBuilder text, TracedLayer layer)
    {
        var sources = Edges.Where(edge => edge.To == layer.Name).Select(edge => edge.From).ToList();
        var readers = Edges.Where(edge => edge.From == layer.Name)
            .Select(edge => edge.InputChannels == edge.OutputChannels ? edge.To : string.Create(CultureInfo.InvariantCulture, $"{edge.To} ({edge.InputChannels} inputs)")).ToList();
        if (sources.Count > 0) text.Append(CultureInfo.InvariantCulture, $" It reads {Names(sources)}");
        if (readers.Count > 0) text.Append(CultureInfo.InvariantCulture, $"{(sources.Count > 0 ? " and feeds" : " It feeds")} {Names(readers)}");
        if (sources.Count + readers.Count > 0) text.Append('.');
    }

    private static void ExplainFree(StringBuilder text, TracedLayer layer, List<ChannelGroup> groups)
    {
        if (groups.Count == 0) return;
        var own = groups.Sum(group => group.Members.Count(member => member.Layer == layer.Name && member.Axis == ChannelAxis.Output));
        text.Append(own == layer.OutputChannels
            ? " All of its output channels may be removed"
            : string.Create(CultureInfo.InvariantCulture, $" {own} of its {layer.OutputChannels} output channels may be removed"));
        var each = own / groups.Count;
        if (each > 1) text.Append(CultureInfo.InvariantCulture, $", {each} at a time");
        var others = groups[0].Members.Where(member => member.Layer != layer.Name || (member.Axis == ChannelAxis.Input && layer.Mapping != ChannelMapping.ChannelWise))
            .GroupBy(member => (member.Layer, member.Axis)).ToList();
        var makers = others.Where(side => side.Key.Axis == ChannelAxis.Output).Select(side => Side(side.Key.Layer, side.Count())).ToList();
        var readers = others.Where(side => side.Key.Axis == ChannelAxis.Input).Select(side => Side(side.Key.Layer, side.Count())).ToList();
        if (makers.Count > 0) text.Append(CultureInfo.InvariantCulture, $"; with each goes the same of {Names(makers)}");
        if (readers.Count > 0) text.Append(CultureInfo.InvariantCulture, $"{(makers.Count > 0 ? ", and" : "; with each goes")} what {Names(readers)} {(readers.Count == 1 ? "reads" : "read")} of it");
        text.Append('.');
    }

    private static void ExplainPinned(StringBuilder text, TracedLayer layer, List<ChannelGroup> groups)
    {
        foreach (var reason in groups.GroupBy(group => group.Pin!.Reason))
        {
            var first = reason.First();
            var own = reason.Sum(group => group.Members.Count(member => member.Layer == layer.Name && member.Axis == ChannelAxis.Output));
            var which = own == layer.OutputChannels ? (own == 1 ? "Its output channel" : $"All of its {own.ToString(CultureInfo.InvariantCulture)} output channels") : $"{own.ToString(CultureInfo.InvariantCulture)} of its output channels";
            text.Append(CultureInfo.InvariantCulture, $" {which} {(own == 1 ? "stays" : "stay")}: {Meaning(reason.Key)}. ");
            text.Append(reason.Count() == 1 ? "Seen: " : "For instance: ").Append(first.Pin!.Evidence);
            if (Advice(reason.Key) is { } advice) text.Append(' ').Append(advice);
        }
    }

    private static string Meaning(PinReason reason) => reason switch
    {
        PinReason.ModelInput => "what they are tied to comes from outside the traced layers",
        PinReason.ModelOutput => "they reach what the model returns",
        PinReason.FeedsNothingTraceable => "no derivative leads from them to another layer or to a returned value, so nothing shows what removing them would change",
        PinReason.Mixed => "something they feed mixes channels that would have to be told apart",
        PinReason.NotObserved => "tracing did not see what they are tied to",
        PinReason.Ignored => "they were asked to stay",
        PinReason.WholeLayer => "without them a layer would have no channels left",
        PinReason.FixedByCode => "the model's own code counts on their number",
        _ => reason.ToString(),
    };

    private static string? Advice(PinReason reason) => reason switch
    {
        PinReason.NotObserved => "Trace with an example, or a forward, that exercises this layer, or with more trials (TraceOptions.MaximumTrials).",
        PinReason.FixedByCode => "Compute the number from the tensor's shape (flatten(1) instead of view(-1, 400)) to set them free.",
        PinReason.Mixed =>
            "This is what a softmax over channels looks like, a module without a rule, or attention whose scale is computed from the present width: give the module a rule (TraceOptions.Rules), or compute the scale once.",
        PinReason.FeedsNothingTraceable => "This is what output layers and layers before an argmax or a box decoder look like.",
        _ => null,
    };

    private static string Side(string layer, int count) => count == 1 ? layer : string.Create(CultureInfo.InvariantCulture, $"{layer} ({count} channels)");

    private static string Channels(int count, string side) => string.Create(CultureInfo.InvariantCulture, $"{count} {side} channel{(count == 1 ? "" : "s")}");

    private static string Names(List<string> names) => names.Count switch
    {
        1 => names[0],
        <= NamesShown => $"{string.Join(", ", names.Take(names.Count - 1))} and {names[^1]}",
        _ => string.Create(CultureInfo.InvariantCulture, $"{string.Join(", ", names.Take(NamesShown - 1))} and {names.Count - NamesShown + 1} more"),
    };
}
