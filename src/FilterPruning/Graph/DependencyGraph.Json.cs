using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace FilterPruning.Graph;

public sealed partial class DependencyGraph
{
    /// <summary>The version of <see cref="ToJson"/>.</summary>
    public const int JsonVersion = 1;

    /// <summary>
    /// The layers and the channel groups as JSON, for programs that make plans of their own; docs/python.md describes it. Groups lie together by role:
    /// <c>channels[side][group]</c> lists the channels of a side that go with a group.
    /// </summary>
    public string ToJson()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteNumber("version", JsonVersion);
            json.WriteStartArray("layers");
            foreach (var layer in Layers)
            {
                json.WriteStartObject();
                json.WriteString("name", layer.Name);
                json.WriteString("kind", layer.Kind);
                json.WriteNumber("inputChannels", layer.InputChannels);
                json.WriteNumber("outputChannels", layer.OutputChannels);
                json.WriteString("mapping", layer.Mapping.ToString());
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("roles");
            foreach (var role in Roles)
                WriteRole(json, role);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray()) + "\n";
    }

    private void WriteRole(Utf8JsonWriter json, ChannelRole role)
    {
        var channels = role.Sides.ToDictionary(side => (side.Layer, side.Axis), _ => new List<string>());
        foreach (var group in role.Groups)
        {
            foreach (var side in Groups[group].Members.GroupBy(member => (member.Layer, member.Axis)))
                channels[side.Key].Add($"[{string.Join(',', side.Select(member => member.Channel.ToString(CultureInfo.InvariantCulture)))}]");
        }

        json.WriteStartObject();
        json.WriteNumber("groups", role.Count);
        json.WriteBoolean("prunable", role.Pin is null);
        json.WriteStartArray("sides");
        foreach (var side in role.Sides)
        {
            json.WriteStartObject();
            json.WriteString("layer", side.Layer);
            json.WriteString("side", side.Axis == ChannelAxis.Input ? "inputs" : "outputs");
            json.WritePropertyName("channels");
            json.WriteRawValue($"[{string.Join(',', channels[(side.Layer, side.Axis)])}]"); // on one line
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
