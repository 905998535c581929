using System.Text.Json.Nodes;
using NJsonSchema;

namespace FilterPruning.Tests.Shared;

/// <summary>docs/schemas/pruning-plan.schema.json.</summary>
internal static class PlanSchema
{
    // NJsonSchema knows the keyword by its older name; nothing else of the schema is newer than it.
    private static string Text => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "schemas", "pruning-plan.schema.json")).Replace("$defs", "definitions", StringComparison.Ordinal);

    /// <summary>Whether a text is a plan or an outline of one.</summary>
    public static async Task<bool> AcceptsAsync(string json) => (await JsonSchema.FromJsonAsync(Text)).Validate(json).Count == 0;

    /// <summary>Fails the running test where a text is no complete plan.</summary>
    public static async Task CheckCompleteAsync(string json)
    {
        var complete = JsonNode.Parse(Text)!.AsObject();
        complete["anyOf"] = new JsonArray(new JsonObject { ["$ref"] = "#/definitions/plan" });
        var schema = await JsonSchema.FromJsonAsync(complete.ToJsonString());
        var errors = schema.Validate(json);
        Assert.True(errors.Count == 0, string.Join("; ", errors));
    }
}
