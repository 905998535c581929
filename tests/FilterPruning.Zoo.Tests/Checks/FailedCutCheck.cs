using System.Text.Json.Nodes;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning.Zoo;

/// <summary>A cut that fails leaves the model as it was, bit by bit, and says which layer is to blame.</summary>
internal static class FailedCutCheck
{
    /// <summary>A plan that removes an output channel but keeps what is tied to it.</summary>
    public static void WithWrongPlan(ZooModel zoo, ZooSubject subject, PruningPlan plan)
    {
        if (WithoutOneChannel(subject.Graph, plan) is { } wrong) Refused(zoo, subject, wrong);
    }

    /// <summary>The forward throws on the narrowed model.</summary>
    public static void WithFailingForward(ZooModel zoo, ZooSubject subject, PruningPlan plan)
    {
        subject.FailsWhenNarrow = true;
        try
        {
            Refused(zoo, subject, plan);
        }
        finally
        {
            subject.FailsWhenNarrow = false;
        }
    }

    private static void Refused(ZooModel zoo, ZooSubject subject, PruningPlan plan)
    {
        using var scope = NewDisposeScope();
        var before = ModelValues.Of(subject.Model);
        var answers = Answers.Of(zoo, subject.Model);
        var message = "";
        try
        {
            using var cut = Surgeon.Apply(subject.Graph, plan);
            cut.Undo();
        }
        catch (PruningException error)
        {
            message = error.Message;
        }

        ZooFailureException.Unless(message.Length > 0, "the cut was made");
        ZooFailureException.Unless(subject.Graph.Layers.Any(layer => message.Contains($"'{layer.Name}'", StringComparison.Ordinal)), $"the message names no layer: {message}");
        before.ThrowUnlessSame(subject.Model);
        before.ThrowUnlessSameSurroundings(subject.Model);
        Answers.SameBits(answers, Answers.Of(zoo, subject.Model));
    }

    // Null where every removed channel is all of its group, so that any part of the plan is a plan.
    private static PruningPlan? WithoutOneChannel(DependencyGraph graph, PruningPlan plan)
    {
        var document = JsonNode.Parse(plan.ToJson())!.AsObject();
        var removed = RegroupCheck.RemovedGroups(graph, plan);
        var member = removed.Order().Select(index => graph.Groups[index]).Where(group => group.Members.Count > 1)
            .Select(group => (ChannelMember?)group.Members.First(member => member.Axis == ChannelAxis.Output)).FirstOrDefault();
        if (member is not { } spared) return null;
        var layer = document["layers"]!.AsArray().First(layer => (string?)layer!["name"] == spared.Layer)!;
        layer["removedOutputs"] = new JsonArray([.. layer["removedOutputs"]!.AsArray().Select(channel => (int)channel!).Where(channel => channel != spared.Channel).Select(channel => (JsonNode)channel)]);
        return PruningPlan.FromJson(document.ToJsonString());
    }
}
