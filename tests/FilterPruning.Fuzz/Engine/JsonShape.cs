using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FilterPruning.Fuzz.Engine;

/// <summary>Changes JSON along its structure: a value becomes another kind, a list grows, a member goes.</summary>
internal static class JsonShape
{
    private static readonly JsonDocumentOptions Deep = new() { MaxDepth = 64, AllowDuplicateProperties = true };
    private static readonly JsonSerializerOptions Writing = new() { MaxDepth = 256, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly string[] Texts = ["", "a", "\0", "..", "/etc/passwd", "../../x", "\u001b[2J", "\u202e", "layer1.0.conv1", "é", "Conv2d", "😀", new string('x', 300)];

    /// <summary>The text with one value changed, or the text as it is where it is no JSON.</summary>
    public static string Change(string text, Mutator mutator)
    {
        try
        {
            var root = JsonNode.Parse(text, null, Deep);
            var places = new List<JsonNode>();
            Collect(root, places);
            if (places.Count == 0)
                return Value(mutator)?.ToJsonString(Writing) ?? "null";
            var changes = 1 + mutator.Random.Below(2);
            for (var i = 0; i < changes; i++)
                Change(mutator.Random.Pick(places), places, mutator);
            return root!.ToJsonString(Writing);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException)
        {
            return text;
        }
    }

    public static byte[] Change(byte[] input, Mutator mutator) => Encoding.UTF8.GetBytes(Change(Encoding.UTF8.GetString(input), mutator));

    // Containers only: their elements are what is changed.
    private static void Collect(JsonNode? node, List<JsonNode> places)
    {
        switch (node)
        {
            case JsonObject members:
                places.Add(members);
                foreach (var (_, value) in members)
                    Collect(value, places);
                break;
            case JsonArray items:
                places.Add(items);
                foreach (var value in items)
                    Collect(value, places);
                break;
        }
    }

    private static void Change(JsonNode place, List<JsonNode> places, Mutator mutator)
    {
        var random = mutator.Random;
        if (place is JsonObject { Count: > 0 } members)
        {
            var name = members.ElementAt(random.Below(members.Count)).Key;
            if (random.OneIn(4))
                members.Remove(name);
            else
                members[name] = New(members[name], places, mutator);
        }
        else if (place is JsonArray items)
        {
            var at = random.Below(items.Count + 1);
            if (at == items.Count || random.OneIn(3))
                items.Insert(at, New(items.Count > 0 ? items[random.Below(items.Count)] : null, places, mutator));
            else if (random.OneIn(2))
                items.RemoveAt(at);
            else
                items[at] = New(items[at], places, mutator);
        }
    }

    private static JsonNode? New(JsonNode? old, List<JsonNode> places, Mutator mutator) => mutator.Random.Below(4) switch
    {
        0 => old?.DeepClone(),
        1 => mutator.Random.Pick(places).DeepClone(),
        _ => Value(mutator),
    };

    private static JsonNode? Value(Mutator mutator)
    {
        switch (mutator.Random.Below(9))
        {
            case 0: return null;
            case 1: return JsonValue.Create(mutator.Random.OneIn(2));
            case 2: return new JsonArray();
            case 3: return new JsonObject();
            case 4: return JsonValue.Create(mutator.Random.Pick(Texts));
            case 5: return JsonNode.Parse(string.Create(CultureInfo.InvariantCulture, $"{mutator.Random.Below(2000) - 1000}.{mutator.Random.Below(10)}"));
            case 6: return JsonNode.Parse("1e400");
            default: return JsonValue.Create(mutator.Number());
        }
    }
}
