using System.Text;
using FilterPruning.Planning;

namespace FilterPruning.Fuzz.Core;

/// <summary>The JSON of a pruning plan.</summary>
internal sealed class PlanTarget : JsonTarget
{
    private const string Plan =
        """
        {"version":1,"settings":{"ratio":0.5,"scope":"Global","criterion":"l1","normalization":"None","reduction":"Mean","channelMultiple":1,"minimumWidth":1,"ignore":["a*"],"seed":null,"maximumLayerRatio":0.9,"layerRatios":[{"pattern":"x","ratio":0.1}]},
        "before":{"parameters":100,"macs":1000},"predicted":{"parameters":60,"macs":600},"totalGroups":8,"removedGroups":2,
        "layers":[{"name":"0","kind":"Linear","inputChannels":3,"removedInputs":[],"outputChannels":4,"removedOutputs":[1,2],"scores":{"minimum":0.1,"maximum":0.9,"threshold":0.3},"skipped":null},
        {"name":"2","kind":"Linear","inputChannels":4,"removedInputs":[1,2],"outputChannels":2,"removedOutputs":[],"scores":null,"skipped":"no"}]}
        """;

    public override string Name => "plan";

    public override double BytesPerByte => 100;

    public override IEnumerable<byte[]> Seeds() => [RealPlan(), Encoding.UTF8.GetBytes(Plan), "{\"version\":2}"u8.ToArray()];

    /// <summary>As the library writes it.</summary>
    public static byte[] RealPlan()
    {
        using var model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2));
        using var example = ones(1, 3);
        var graph = Graph.DependencyGraph.Trace(model, example);
        return Encoding.UTF8.GetBytes(PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 }).ToJson());
    }

    public override long Read(byte[] input)
    {
        var plan = PruningPlan.FromJson(Text(input));

        // What is read is written and read again, the same.
        var json = plan.ToJson();
        if (PruningPlan.FromJson(json).ToJson() != json)
            throw new InvalidDataException("The plan changes when it is written and read.");
        plan.ToText();
        return 0;
    }
}
